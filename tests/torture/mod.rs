//! Reads tests/data/rfc4475 and tests/data/rfc5118 (the README.md of the first says how the messages are written down).

use std::path::Path;

/// One message and what is expected of it.
pub(crate) struct Torture {
    pub(crate) name: String,
    pub(crate) section: String,
    /// `good`, a status, or `contact`.
    pub(crate) parse: String,
    /// Statuses, `understood`, `drop`; alternatives behind `|`.
    pub(crate) answer: String,
    /// The same over TCP, and what becomes of the connection.
    pub(crate) stream: String,
    pub(crate) bytes: Vec<u8>,
}

/// All messages of an RFC (`rfc4475`), in its order.
pub(crate) fn messages(rfc: &str) -> Vec<Torture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(rfc);
    let mut index = csv::Reader::from_path(folder.join("index.csv")).unwrap();
    index
        .deserialize()
        .map(|row| {
            let (file, section, parse, answer, stream, _what): (String, String, String, String, String, String) =
                row.unwrap();
            let stream = if stream.is_empty() { answer.clone() } else { stream };
            let bytes = decode(&std::fs::read_to_string(folder.join(&file)).unwrap());
            Torture { name: file.trim_end_matches(".txt").to_owned(), section, parse, answer, stream, bytes }
        })
        .collect()
}

fn decode(text: &str) -> Vec<u8> {
    let (_citation, message) = text.split_once('\n').unwrap();
    let mut bytes = Vec::new();
    for line in message.lines() {
        decode_line(line, &mut bytes);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn decode_line(mut line: &str, bytes: &mut Vec<u8>) {
    while let Some((plain, escape)) = line.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        line = match escape.as_bytes()[0] {
            b'\\' => {
                bytes.push(b'\\');
                &escape[1..]
            }
            b'x' => {
                bytes.push(u8::from_str_radix(&escape[1..3], 16).unwrap());
                &escape[3..]
            }
            b'{' => {
                let (repetition, rest) = escape[1..].split_once('}').unwrap();
                let (count, word) = repetition.split_once('*').unwrap();
                bytes.extend(word.repeat(count.parse().unwrap()).bytes());
                rest
            }
            other => panic!("escape {}", char::from(other)),
        };
    }
    bytes.extend_from_slice(line.as_bytes());
}
