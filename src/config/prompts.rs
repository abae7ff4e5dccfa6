//! Announcements that callers would not hear: missing files, and files that cannot be played.

use std::path::Path;

use crate::acd::section::Waiting;
use crate::media::command::{Place, Prompt};
use crate::media::prompt::Sound;

use super::Fault;
use super::section::File;
use super::source::Source;

const FORMAT: &str = "a WAV file of 8 kHz, mono, 16 bit";

/// A warning for each announcement that is missing. `siaga check` also reads the files; the service reads them when it
/// loads them.
pub(super) fn warnings(source: &Source, file: &File) -> Vec<Fault> {
    let mut warnings = Vec::new();
    let folder = Path::new(&file.prompts.dir).join(&file.site.language);
    let is_read = !source.allows_optional_faults();
    let mut unplayable = |name: &str, effect: &str| {
        let path = folder.join(name);
        if is_read
            && path.is_file()
            && let Some(wrong) = unplayable(&path)
        {
            warnings.push(source.warning("prompts.dir", format!("{wrong}: {effect}"), FORMAT));
        }
    };
    for prompt in Prompt::ALL {
        unplayable(prompt.file(), "callers hear silence in its place");
    }
    unplayable(Prompt::Pin.file(), "phones hear a tone in its place");
    let places = Place::NUMBERS.iter().chain(&Place::MINUTES);
    if file.queue.announce_seconds > 0 {
        places.clone().for_each(|name| unplayable(name, "callers hear nothing in its place"));
    }
    for prompt in Prompt::ALL {
        let path = folder.join(prompt.file());
        if !path.is_file() {
            let wrong = format!("{} is missing: callers hear silence in its place", path.display());
            warnings.push(source.warning("prompts.dir", wrong, FORMAT));
        }
    }
    let missing = places.filter(|file| !folder.join(file).is_file()).count();
    if file.queue.announce_seconds > 0 && missing > 0 {
        let wrong = format!("{missing} announcements of place and wait are missing in {}", folder.display());
        let right = "place-1.wav …, wait-0.wav …, as in config/prompts";
        warnings.push(source.warning("queue.announce_seconds", wrong, right));
    }
    if file.queue.waiting == Waiting::Music
        && let Some(wrong) = self::unplayable(&folder.join(Prompt::Music.file()))
    {
        let wrong = format!("{wrong}; callers who wait hear the ringing tone");
        warnings.push(source.warning("queue.waiting", wrong, format!("{FORMAT}, or \"ringback\"")));
    }
    warnings
}

/// Why a file cannot be played.
fn unplayable(path: &Path) -> Option<String> {
    match std::fs::read(path) {
        Err(error) => Some(format!("{} cannot be read ({error})", path.display())),
        Ok(bytes) => Sound::from_wav(&bytes).err().map(|error| format!("{} cannot be played: {error}", path.display())),
    }
}
