//! Any bytes as a media packet: nothing panics, and what is rewritten reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use siaga::media::{rtcp, rtp};

fuzz_target!(|bytes: &[u8]| {
    if let Some(mut header) = rtp::read(bytes) {
        assert!(header.payload.end <= bytes.len());
        let payload = bytes.get(header.payload.clone()).map(<[u8]>::to_vec);
        let mut packet = bytes.to_vec();
        header.sequence = header.sequence.wrapping_add(1);
        if let Some(range) = rtp::rewrite(&mut packet, &header) {
            let written = &packet[range];
            let back = rtp::read(written).map(|back| (back.sequence, written.get(back.payload).map(<[u8]>::to_vec)));
            assert_eq!(back, Some((header.sequence, payload)));
        }
    }
    if rtcp::is_report(bytes) {
        let _ = rtcp::sender_report_time(bytes);
        let mut packet = bytes.to_vec();
        let mapping = rtcp::Mapping { sender: 1, timestamp_shift: 2, about: 3, about_becomes: 4, sequence_shift: 5 };
        assert!(rtcp::rewrite(&mut packet, &mapping) <= bytes.len());
    }
});
