//! RTCP (RFC 3550 §6): forwards one peer's reports to the other with rewritten SSRCs and numbers, and answers them while there is no other
//! side.

use rtcp_types::{
    Compound, CompoundBuilder, ReceiverReport, ReportBlock, RtcpPacketWriterExt as _, Sdes, SdesChunk, SdesItem,
};

use super::quality::Report;

/// Maximum length of a report that siaga writes.
pub const REPORT_BYTES_MAX: usize = 128;

/// Length of the fixed head of a sender report, of a receiver report, and of one report block.
const SENDER_REPORT_HEAD: usize = 28;
const RECEIVER_REPORT_HEAD: usize = 8;
const BLOCK: usize = 24;

/// How the numbers of one peer's reports are changed for the other side.
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    /// Our SSRC towards the receiver of the report.
    pub sender: u32,
    /// Added to the RTP timestamps of its sender reports.
    pub timestamp_shift: u32,
    /// Our SSRC towards the reporting peer, which its report blocks contain.
    pub about: u32,
    /// The SSRC of the receiver's own stream, which the reporting peer knows as `about`.
    pub about_becomes: u32,
    /// Subtracted from the highest sequence numbers of its report blocks.
    pub sequence_shift: u16,
}

/// True for a possible compound packet: all lengths fit, and a report comes first (RFC 3550 §A.2).
pub fn is_report(packet: &[u8]) -> bool {
    let reports_first = matches!(packet, [first, 200 | 201, ..] if first & 0xe0 == 0x80);
    reports_first && Compound::parse(packet).is_ok()
}

/// The middle 32 bits of the NTP time of a sender report that comes first in the packet (RFC 3550 §6.4.1, LSR).
pub fn sender_report_time(packet: &[u8]) -> Option<u32> {
    if !matches!(packet, [_, 200, ..]) {
        return None;
    }
    packet.get(10..14).and_then(|bytes| bytes.first_chunk()).copied().map(u32::from_be_bytes)
}

/// Rewrites a packet for which `is_report` holds, and returns the length to be forwarded. A BYE and everything after it is dropped,
/// because our stream continues.
pub fn rewrite(packet: &mut [u8], mapping: &Mapping) -> usize {
    let mut kept = 0;
    let mut rest = packet;
    while let Some((head, _)) = rest.split_first_chunk::<4>() {
        let [first, kind, high, low] = *head;
        let length = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
        // BYE
        if kind == 203 {
            break;
        }
        let Some((one, after)) = rest.split_at_mut_checked(length) else { break };
        match kind {
            200 => sender_report(one, usize::from(first & 0x1f), mapping),
            201 => blocks(one, RECEIVER_REPORT_HEAD, usize::from(first & 0x1f), mapping),
            // Feedback has the SSRC of its stream after the SSRC of its sender.
            205 | 206 => replace(one, 8, |ssrc| if ssrc == mapping.about { mapping.about_becomes } else { ssrc }),
            _ => {}
        }
        // The SSRC of the sender, or of the first chunk of a source description that is not empty.
        if kind != 202 || first & 0x1f > 0 {
            replace(one, 4, |_| mapping.sender);
        }
        kept += length;
        rest = after;
    }
    kept
}

/// Writes a receiver report with a CNAME (RFC 3550 §6.4.2, §6.5.1); returns its length.
pub fn receiver_report(ssrc: u32, about: Option<Report>, last_sender_report: u32, buffer: &mut [u8]) -> Option<usize> {
    let mut report = ReceiverReport::builder(ssrc);
    if let Some(about) = about {
        report = report.add_report_block(
            ReportBlock::builder(about.ssrc)
                .fraction_lost(about.fraction_lost)
                .cumulative_lost(about.lost)
                .extended_sequence_number(about.highest)
                .interarrival_jitter(about.jitter)
                .last_sender_report_timestamp(last_sender_report),
        );
    }
    let name = format!("siaga-{ssrc:08x}");
    let chunk = SdesChunk::builder(ssrc).add_item(SdesItem::builder(SdesItem::CNAME, &name));
    CompoundBuilder::default().add_packet(report).add_packet(Sdes::builder().add_chunk(chunk)).write_into(buffer).ok()
}

fn sender_report(packet: &mut [u8], count: usize, mapping: &Mapping) {
    replace(packet, 16, |timestamp| timestamp.wrapping_add(mapping.timestamp_shift));
    blocks(packet, SENDER_REPORT_HEAD, count, mapping);
}

fn blocks(packet: &mut [u8], head: usize, count: usize, mapping: &Mapping) {
    for block in packet.get_mut(head..).unwrap_or_default().chunks_exact_mut(BLOCK).take(count) {
        let mut ours = false;
        replace(block, 0, |ssrc| {
            ours = ssrc == mapping.about;
            if ours { mapping.about_becomes } else { ssrc }
        });
        if ours {
            replace(block, 8, |highest| highest.wrapping_sub(u32::from(mapping.sequence_shift)));
        }
    }
}

fn replace(packet: &mut [u8], at: usize, change: impl FnOnce(u32) -> u32) {
    if let Some(word) = packet.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<4>()) {
        *word = change(u32::from_be_bytes(*word)).to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use rtcp_types::{Bye, Packet, SenderReport};

    use super::*;

    const MAPPING: Mapping =
        Mapping { sender: 0xaaaa, timestamp_shift: 1_000, about: 0xbbbb, about_becomes: 0xcccc, sequence_shift: 10 };

    fn report() -> Vec<u8> {
        let mut buffer = vec![0; 256];
        let block = ReportBlock::builder(0xbbbb).extended_sequence_number(65_546).fraction_lost(3);
        let chunk = SdesChunk::builder(0x1111).add_item(SdesItem::builder(SdesItem::CNAME, "phone"));
        let length = CompoundBuilder::default()
            .add_packet(
                SenderReport::builder(0x1111)
                    .ntp_timestamp(0x0102_0304_0506_0708)
                    .rtp_timestamp(500)
                    .add_report_block(block),
            )
            .add_packet(Sdes::builder().add_chunk(chunk))
            .add_packet(Bye::builder().add_source(0x1111))
            .write_into(&mut buffer)
            .unwrap();
        buffer.truncate(length);
        buffer
    }

    #[test]
    fn reports_reach_the_other_side_in_the_numbers_that_it_knows() {
        let mut packet = report();
        assert!(is_report(&packet));
        assert_eq!(sender_report_time(&packet), Some(0x0304_0506));
        let length = rewrite(&mut packet, &MAPPING);
        let packets: Vec<Packet<'_>> = Compound::parse(&packet[..length]).unwrap().map(Result::unwrap).collect();
        let [Packet::Sr(sr), Packet::Sdes(sdes)] = &packets[..] else { panic!("{packets:?}") };
        assert_eq!((sr.ssrc(), sr.rtp_timestamp(), sr.ntp_timestamp()), (0xaaaa, 1_500, 0x0102_0304_0506_0708));
        let block = sr.report_blocks().next().unwrap();
        assert_eq!((block.ssrc(), block.extended_sequence_number(), block.fraction_lost()), (0xcccc, 65_536, 3));
        assert_eq!(sdes.chunks().next().unwrap().ssrc(), 0xaaaa);
    }

    #[test]
    fn our_own_report_is_a_valid_compound() {
        let mut buffer = [0; REPORT_BYTES_MAX];
        let about = Report { ssrc: 7, fraction_lost: 1, lost: 2, highest: 3, jitter: 4 };
        let length = receiver_report(9, Some(about), 5, &mut buffer).unwrap();
        assert!(is_report(&buffer[..length]));
        let packets: Vec<Packet<'_>> = Compound::parse(&buffer[..length]).unwrap().map(Result::unwrap).collect();
        let [Packet::Rr(rr), Packet::Sdes(_)] = &packets[..] else { panic!("{packets:?}") };
        let block = rr.report_blocks().next().unwrap();
        assert_eq!((rr.ssrc(), block.ssrc(), block.cumulative_lost()), (9, 7, 2));
        assert!(receiver_report(9, None, 0, &mut [0; REPORT_BYTES_MAX]).is_some());
    }

    #[test]
    fn what_is_cut_or_starts_otherwise_is_no_report() {
        let packet = report();
        for length in 0..packet.len() - 1 {
            let whole = [0, 52, 52 + 20].contains(&length);
            assert!(whole || length % 4 == 0 || !is_report(&packet[..length]), "{length}");
        }
        assert!(!is_report(&[0x80, 8, 0, 0]));
        assert!(!is_report(&packet[52..]), "a description first");
    }

    #[test]
    fn any_bytes_are_rewritten_without_harm() {
        let mut packet = report();
        for i in 0..packet.len() {
            for value in [0, 1, 0x7f, 0x9f, 0xff] {
                let before = std::mem::replace(&mut packet[i], value);
                let mut copy = packet.clone();
                if is_report(&copy) {
                    assert!(rewrite(&mut copy, &MAPPING) <= copy.len());
                }
                packet[i] = before;
            }
        }
    }
}
