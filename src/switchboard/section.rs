//! The sections `[features]`, `[[agency]]`, `[callers]`, `[[category]]`, `[[silent_choice]]` and `[mode]` of the configuration in TOML.

use serde::Deserialize;

/// `[features]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Features {
    pub log_in: String,
    pub log_out: String,
    pub station: String,
    pub pause: String,
    pub resume: String,
    pub class_normal: String,
    pub class_ghost: String,
    pub class_prank: String,
    pub class_information: String,
    pub class_test: String,
    pub class_drill: String,
    pub call_back: String,
    pub wrap_up: String,
    pub conference: String,
    pub listen: String,
    pub whisper: String,
    pub barge: String,
    pub take_over: String,
    pub pick_up: String,
    pub silent_prompt: String,
    #[serde(alias = "posture_normal")]
    pub mode_normal: String,
    #[serde(alias = "posture_incident")]
    pub mode_incident: String,
    #[serde(alias = "posture_drill")]
    pub mode_drill: String,
    #[serde(alias = "posture_fallback")]
    pub mode_fallback: String,
}

impl Default for Features {
    fn default() -> Self {
        let code = |text: &str| text.to_owned();
        Self {
            log_in: code("*11"),
            log_out: code("*12"),
            station: code("*17"),
            pause: code("*13"),
            resume: code("*14"),
            class_normal: code("*41"),
            class_ghost: code("*42"),
            class_prank: code("*43"),
            class_information: code("*44"),
            class_test: code("*45"),
            class_drill: code("*46"),
            call_back: code("*50"),
            wrap_up: code("*15"),
            conference: code("*30"),
            listen: code("*21"),
            whisper: code("*22"),
            barge: code("*23"),
            take_over: code("*24"),
            pick_up: code("*25"),
            silent_prompt: code("*16"),
            mode_normal: code("*60"),
            mode_incident: code("*61"),
            mode_drill: code("*62"),
            mode_fallback: code("*63"),
        }
    }
}

/// One `[[agency]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgencySection {
    pub name: String,
    pub number: String,
}

/// `[callers]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallersSection {
    pub repeat_minutes: u64,
    pub prank_calls: usize,
    pub prank_hours: u64,
    pub prank_priority_penalty: u8,
    pub call_back_hours: u64,
    pub call_back_prefixes: Vec<String>,
    pub call_back_never: Vec<String>,
}

impl Default for CallersSection {
    fn default() -> Self {
        Self {
            repeat_minutes: 30,
            prank_calls: 2,
            prank_hours: 24,
            prank_priority_penalty: 10,
            call_back_hours: 4,
            call_back_prefixes: Vec::new(),
            call_back_never: ["0809", "0900", "+882", "+883", "+979"].map(str::to_owned).into(),
        }
    }
}

/// One `[[category]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CategorySection {
    pub code: String,
    pub name: String,
    pub agency: Option<String>,
}

/// One `[[silent_choice]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SilentSection {
    pub digit: String,
    pub text: String,
}

/// `[mode]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModeSection {
    pub hours: u32,
    pub incident_wrap_up_seconds: u64,
    pub incident_text: String,
}

impl Default for ModeSection {
    fn default() -> Self {
        let incident_text = "Insiden besar: semua telepon berdering. Mohon kembali bertugas.".to_owned();
        Self { hours: 0, incident_wrap_up_seconds: 5, incident_text }
    }
}
