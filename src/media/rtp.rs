//! RTP packets (RFC 3550 §5.1): reads headers, and writes ours in place. The only file that uses rtp_rs.

use std::ops::Range;

use rtp_rs::{RtpPacketBuilder, RtpReader, Seq};

/// Bytes of a header without contributing sources or extension.
pub const HEADER_BYTES: usize = 12;
/// Samples of a packet that siaga creates: 20 ms at 8 kHz.
pub const FRAME_SAMPLES: usize = 160;
/// Length of a packet that siaga creates.
pub const FRAME_BYTES: usize = HEADER_BYTES + FRAME_SAMPLES;

/// The fields of a packet that a relay uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub payload_type: u8,
    pub marker: bool,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    /// The range of the payload in the packet, without padding.
    pub payload: Range<usize>,
}

/// Reads a packet; None if it is not RTP version 2 or is truncated.
pub fn read(packet: &[u8]) -> Option<Header> {
    let reader = RtpReader::new(packet).ok()?;
    let start = reader.payload_offset();
    Some(Header {
        payload_type: reader.payload_type(),
        marker: reader.mark(),
        sequence: u16::from(reader.sequence_number()),
        timestamp: reader.timestamp(),
        ssrc: reader.ssrc(),
        payload: start..start + reader.payload().len(),
    })
}

/// Writes a plain header directly before the payload and returns the range of the new packet in `packet`. Contributing sources, extension
/// and padding of the old packet are outside the range.
pub fn rewrite(packet: &mut [u8], header: &Header) -> Option<Range<usize>> {
    let start = header.payload.start.checked_sub(HEADER_BYTES)?;
    let room = packet.get_mut(start..header.payload.start)?;
    let (first, rest) = room.split_first_chunk_mut::<2>()?;
    let (sequence, rest) = rest.split_first_chunk_mut::<2>()?;
    let (timestamp, rest) = rest.split_first_chunk_mut::<4>()?;
    let (ssrc, _) = rest.split_first_chunk_mut::<4>()?;
    *first = [0x80, (u8::from(header.marker) << 7) | (header.payload_type & 0x7f)];
    *sequence = header.sequence.to_be_bytes();
    *timestamp = header.timestamp.to_be_bytes();
    *ssrc = header.ssrc.to_be_bytes();
    Some(start..header.payload.end)
}

/// Builds a packet of our own around `payload` and returns its length; the header's `payload` is ignored.
pub fn build(header: &Header, payload: &[u8], buffer: &mut [u8]) -> Option<usize> {
    RtpPacketBuilder::new()
        .payload_type(header.payload_type)
        .marked(header.marker)
        .sequence(Seq::from(header.sequence))
        .timestamp(header.timestamp)
        .ssrc(header.ssrc)
        .payload(payload)
        .build_into(buffer)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header { payload_type: 8, marker: true, sequence: 65_535, timestamp: 7, ssrc: 0xdead_beef, payload: 0..0 }
    }

    #[test]
    fn built_packets_read_back() {
        let mut buffer = [0; FRAME_BYTES];
        assert_eq!(build(&header(), &[0xd5; FRAME_SAMPLES], &mut buffer), Some(FRAME_BYTES));
        assert_eq!(read(&buffer), Some(Header { payload: HEADER_BYTES..FRAME_BYTES, ..header() }));
    }

    #[test]
    fn rewriting_leaves_sources_extension_and_padding_outside() {
        let mut packet = vec![0xb2, 8, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        packet.extend([0; 8]); // two contributing sources
        packet.extend([0xbe, 0xde, 0, 1, 1, 2, 3, 4]); // one word of extension
        packet.extend([9, 9, 9, 0, 0, 3]); // three bytes of payload, three of padding
        let old = read(&packet).unwrap();
        assert_eq!(old.payload, 28..31);
        let place = rewrite(&mut packet, &Header { payload: old.payload, ..header() }).unwrap();
        let new = packet.get(place).unwrap();
        assert_eq!(read(new), Some(Header { payload: 12..15, ..header() }));
        assert_eq!(new.get(12..), Some(&[9, 9, 9][..]));
    }

    #[test]
    fn what_is_cut_or_not_version_2_is_no_packet() {
        let mut buffer = [0; FRAME_BYTES];
        build(&header(), &[0; FRAME_SAMPLES], &mut buffer).unwrap();
        for length in 0..HEADER_BYTES {
            assert_eq!(read(buffer.get(..length).unwrap()), None);
        }
        buffer[0] = 0x40;
        assert_eq!(read(&buffer), None);
        buffer[0] = 0x8f; // fifteen contributing sources that are not there
        assert_eq!(read(buffer.get(..40).unwrap()), None);
    }
}
