//! A name server with given records, over UDP on loopback (RFC 1035 §4, RFC 2782, RFC 3403 §4).

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

/// One record.
#[derive(Clone)]
pub(crate) enum Record {
    A(&'static str, Ipv4Addr),
    Srv {
        name: &'static str,
        priority: u16,
        weight: u16,
        port: u16,
        host: &'static str,
    },
    /// Queries for this name get SERVFAIL; `name NAPTR`: only those of that type.
    Failure(&'static str),
    /// With the flag `s`.
    Naptr {
        name: &'static str,
        order: u16,
        preference: u16,
        service: &'static str,
        replacement: &'static str,
    },
}

/// Answers for ever, in a thread of its own.
pub(crate) fn serve(at: &str, records: Vec<Record>) -> SocketAddr {
    let socket = UdpSocket::bind(at).unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 1_500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            socket.send_to(&answer(&buffer[..length], &records), from).unwrap();
        }
    });
    address
}

fn answer(query: &[u8], records: &[Record]) -> Vec<u8> {
    let mut at = 12;
    let mut labels = Vec::new();
    while query[at] != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..=at + length]).to_lowercase());
        at += length + 1;
    }
    let (name, kind) = (labels.join("."), u16::from_be_bytes([query[at + 1], query[at + 2]]));
    let data: Vec<Vec<u8>> = records.iter().filter_map(|record| data(record, &name, kind)).collect();
    let mut text = query[..2].to_vec();
    let fails = |record: &Record| match record {
        Record::Failure(asked) => *asked == name || kind == 35 && asked.strip_suffix(" NAPTR") == Some(&name),
        Record::A(..) | Record::Srv { .. } | Record::Naptr { .. } => false,
    };
    let code = if records.iter().any(fails) { 2 } else { 0 };
    let data = if code == 0 { data } else { Vec::new() };
    // An authoritative answer. Without records for the name, it contains none.
    text.extend([0x85, 0x80 | code, 0, 1, 0, u8::try_from(data.len()).unwrap(), 0, 0, 0, 0]);
    text.extend(&query[12..at + 5]);
    for data in data {
        text.extend([0xc0, 12]);
        text.extend(kind.to_be_bytes());
        text.extend([0, 1, 0, 0, 0, 60]);
        text.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        text.extend(data);
    }
    text
}

fn data(record: &Record, asked: &str, kind: u16) -> Option<Vec<u8>> {
    match record {
        Record::A(name, address) if *name == asked && kind == 1 => Some(address.octets().to_vec()),
        Record::Srv { name, priority, weight, port, host } if *name == asked && kind == 33 => {
            let mut data: Vec<u8> =
                [priority, weight, port].into_iter().flat_map(|number| number.to_be_bytes()).collect();
            put_name(&mut data, host);
            Some(data)
        }
        Record::Naptr { name, order, preference, service, replacement } if *name == asked && kind == 35 => {
            let mut data: Vec<u8> = [order, preference].into_iter().flat_map(|number| number.to_be_bytes()).collect();
            for text in ["s", service, ""] {
                data.push(u8::try_from(text.len()).unwrap());
                data.extend(text.as_bytes());
            }
            put_name(&mut data, replacement);
            Some(data)
        }
        Record::A(..) | Record::Srv { .. } | Record::Naptr { .. } | Record::Failure(_) => None,
    }
}

fn put_name(data: &mut Vec<u8>, name: &str) {
    for label in name.split('.') {
        data.push(u8::try_from(label.len()).unwrap());
        data.extend(label.as_bytes());
    }
    data.push(0);
}
