//! Callers who cannot speak, and callers who wait, with real phones: who hears which announcement, what a digit becomes, and that the
//! talk and its recording go on.

use serde_json::Value;

use super::pjsua::Pjsua;
use super::process::until;
use super::service::Service;
use super::three_callers::Phone as _;
use super::tone::{assert_heard, channel, share};
use super::trunk::{Caller, Manner};

/// A tone of no frequency.
const SILENCE: u32 = 0;

/// The largest share that some of these tones have in any half second.
fn most(samples: &[i16], tones: &[u32]) -> f64 {
    samples.chunks_exact(4_000).map(|part| tones.iter().map(|tone| share(part, *tone)).sum()).fold(0.0, f64::max)
}

/// Half seconds in which there is sound, and as good as nothing of a tone.
fn without(samples: &[i16], tone: u32) -> usize {
    let loud = |part: &&[i16]| part.iter().any(|sample| sample.unsigned_abs() > 3_000);
    samples.chunks_exact(4_000).filter(loud).filter(|part| share(part, tone) < 0.1).count()
}

fn is_asked(service: &Service, number: &str) -> Value {
    until("the caller is asked", || service.call(number).filter(|call| call["silent_prompt"] == true))
}

fn choices(record: &Value) -> Vec<(&str, &str)> {
    let choices = record["choices"].as_array().into_iter().flatten();
    choices.map(|one| (one["digit"].as_str().unwrap(), one["text"].as_str().unwrap())).collect()
}

#[test]
fn an_operators_keys_prompt_the_caller_and_the_digit_arrives_as_a_text() {
    let service = Service::start(150, 1, "wrap_up_seconds = 1");
    let mut phone = Pjsua::start(&service, 1, 400);
    let caller = Caller::calls(&service, 1, 700, Manner::Stays);
    phone.rings_for(&caller.number);
    phone.answers();
    service.wait_for_call(&caller.number, "talking");
    phone.presses("*16");
    let call = is_asked(&service, &caller.number)["call"].as_str().unwrap().to_owned();
    caller.presses(2);
    let text = phone.event("text ");
    assert!(text.contains("sip:siaga@") && text.ends_with(&format!("{} [2 perlu polisi]", caller.number)), "{text}");
    assert_eq!(service.call(&caller.number).unwrap()["choices"][0]["text"], "perlu polisi");
    let asked = service.siaga(&["call", "silent-prompt", &call, "--config", "siaga.toml"]);
    assert!(asked.contains(&call), "{asked}");
    assert!(phone.event("text ").contains("? [1 tidak dapat bicara] [2 perlu polisi]"));
    // The prompt, which takes 13 s, and the talk after it.
    service.sound_flows(2, 16);
    phone.hangs_up();
    let of_caller = caller.ends().samples;
    assert!(without(&of_caller, 400) >= 10, "the caller hears the prompt");
    let last = &of_caller[of_caller.len() - 12_000..];
    assert_heard("the caller, afterwards", last, 400, &[700]);
    let of_operator = phone.heard().remove(0);
    assert_heard("the operator, while it plays", &of_operator[..of_operator.len() * 3 / 4], 700, &[400]);
    let sealed = |record: &Value| record["recordings"][0].is_object();
    let record = service.records(1, sealed).remove(0);
    assert_eq!(choices(&record), [("2", "perlu polisi")], "{record:#}");
    let by = |n: usize| record["silent_prompts"][n]["by"].as_str().unwrap();
    assert_eq!((by(0), by(1), &record["cause"]), ("op1", "console", &"normal".into()));
    assert_eq!(record["recordings"].as_array().unwrap().len(), 1, "one recording, from the answer to the end");
    let file = service.path().join("data/recordings").join(record["recordings"][0]["file"].as_str().unwrap());
    assert_heard("the recording's left", &channel(&file, 0), 700, &[400]);
    assert!(service.shows("siaga_silent_prompts_total{way=\"asked\"} 2"));
    assert!(service.shows("siaga_desk_answered_within_total{desk=\"queue\"} 1"));
}

#[test]
fn a_silent_caller_gets_the_prompt_automatically_and_stays() {
    let service = Service::start(151, 1, "wrap_up_seconds = 1\nsilent_prompt_seconds = 5");
    let mut phone = Pjsua::start(&service, 1, 400);
    let speaker = Caller::calls(&service, 1, 700, Manner::Stays);
    phone.rings_for(&speaker.number);
    phone.answers();
    service.wait_for_call(&speaker.number, "talking");
    service.sound_flows(2, 8);
    assert_eq!(service.call(&speaker.number).unwrap()["silent_prompt"], false, "he is heard");
    phone.hangs_up();
    speaker.ends();
    service.wait_for_state("op1", "ready");
    let caller = Caller::calls(&service, 2, SILENCE, Manner::Stays);
    phone.rings_for(&caller.number);
    phone.answers();
    is_asked(&service, &caller.number);
    assert!(phone.event("text ").contains(&format!("{} ? [1 tidak dapat bicara]", caller.number)));
    caller.presses(1);
    assert!(phone.event("text ").ends_with("[1 tidak dapat bicara]"));
    assert_eq!(service.call(&caller.number).unwrap()["state"], "talking");
    phone.hangs_up();
    caller.ends();
    let records = service.records(2, |record| record["outcome"] == "answered");
    let record = super::three_callers::of(&records, "081200000002");
    assert_eq!(choices(record), [("1", "tidak dapat bicara")], "{record:#}");
    assert!(record["silent_prompts"][0].get("by").is_none_or(Value::is_null));
    assert!(service.shows("siaga_silent_prompts_total{way=\"unheard\"} 1"));
}

#[test]
fn a_waiting_caller_hears_music_and_the_digit_is_in_the_operators_display() {
    let service = Service::start(152, 1, "answer = \"queue\"\nwaiting = \"music\"\nwrap_up_seconds = 1");
    let mut phone = Pjsua::start(&service, 1, 400);
    service.siaga(&["operator", "pause", "op1", "--config", "siaga.toml"]);
    let caller = Caller::calls(&service, 1, 700, Manner::Stays);
    service.wait_for_call(&caller.number, "queued");
    // What the queue says takes 13 s; the first chords follow.
    let heard = || service.metric("siaga_media_total{kind=\"packets-out\"}");
    until("the music plays", || (heard() >= 50.0 * 17.0).then_some(()));
    caller.presses(3);
    until("the digit is known", || service.call(&caller.number).filter(|call| call["choices"][0]["digit"] == "3"));
    service.siaga(&["operator", "resume", "op1", "--config", "siaga.toml"]);
    phone.rings_for(&caller.number);
    phone.answers();
    assert!(phone.event("text ").ends_with("[3 perlu pertolongan medis]"));
    phone.hangs_up();
    let samples = caller.ends().samples;
    let chord = most(&samples, &[262, 330, 392]);
    assert!(chord > 0.6, "the first chord's share is {chord:.2} at best");
    assert!(most(&samples, &[425]) < 0.5, "no ringing tone is in it");
    let record = service.records(1, |record| record["outcome"] == "answered").remove(0);
    assert_eq!((choices(&record)[0].0, &record["choices"][0]["waiting"]), ("3", &true.into()));
}
