//! The fixed part in front of every payload.
//!
//! | bytes | field |
//! |---|---|
//! | 0–7 | `lsn`: numbers records, from 1 |
//! | 8–15 | `seq`: numbers messages, from 1; 0 for a record that is none |
//! | 16–23 | `synced_lsn`: the highest record known to be on disk when this one was written |
//! | 24–27 | `epoch` |
//! | 28–31 | `len`: bytes of the payload |
//! | 32 | kind |
//! | 33 | 1 when the clock was the feed's, else 0 |
//! | 34–35 | `shard`: which core said it |
//! | 36–39 | CRC-32C of bytes 0–35 and the payload |

use super::Kind;
use super::bytes::Malformed;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 40;

const CRC_AT: usize = 36;

/// What the journal knows of a record beside its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Numbers records, without holes.
    pub lsn: u64,
    /// Numbers published messages, without holes; 0 for a record that is not published.
    pub seq: u64,
    /// The highest record known to be on disk when this one was written.
    pub synced_lsn: u64,
    /// Rises when published messages may have been lost.
    pub epoch: u32,
    /// Bytes of the payload.
    pub len: u32,
    /// What the payload is.
    pub kind: Kind,
    /// The core that said it.
    pub shard: u16,
    /// The clock was the feed's: the message says `simulated`.
    pub simulated: bool,
}

impl Header {
    /// Writes the header into the space in front of its payload, checksum included.
    ///
    /// # Panics
    /// When `frame` is not exactly the header and `len` bytes of payload.
    pub fn fill(&self, frame: &mut [u8]) {
        assert_eq!(
            frame.len(),
            HEADER_BYTES + self.len as usize,
            "a frame is a header and its payload"
        );
        frame[0..8].copy_from_slice(&self.lsn.to_le_bytes());
        frame[8..16].copy_from_slice(&self.seq.to_le_bytes());
        frame[16..24].copy_from_slice(&self.synced_lsn.to_le_bytes());
        frame[24..28].copy_from_slice(&self.epoch.to_le_bytes());
        frame[28..32].copy_from_slice(&self.len.to_le_bytes());
        frame[32] = self.kind.code();
        frame[33] = u8::from(self.simulated);
        frame[34..36].copy_from_slice(&self.shard.to_le_bytes());
        let crc = checksum(frame);
        frame[CRC_AT..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads a header without judging the payload; see [`Header::matches`].
    ///
    /// # Errors
    /// [`Malformed`] for fewer than [`HEADER_BYTES`] bytes, an unknown kind, or a number that contradicts the kind.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let bytes: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(Malformed { field: "header" })?;
        let u64_at = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let u32_at = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let header = Self {
            lsn: u64_at(0),
            seq: u64_at(8),
            synced_lsn: u64_at(16),
            epoch: u32_at(24),
            len: u32_at(28),
            kind: Kind::from_code(bytes[32]).ok_or(Malformed { field: "kind" })?,
            shard: u16::from_le_bytes([bytes[34], bytes[35]]),
            simulated: bytes[33] == 1,
        };
        if bytes[33] > 1 {
            return Err(Malformed { field: "kind" });
        }
        if header.lsn == 0 || header.synced_lsn >= header.lsn {
            return Err(Malformed { field: "lsn" });
        }
        if header.kind.is_published() != (header.seq != 0) {
            return Err(Malformed { field: "seq" });
        }
        Ok(header)
    }

    /// True when the checksum in `frame` (header and payload) is that of its bytes.
    #[must_use]
    pub fn matches(frame: &[u8]) -> bool {
        frame.len() >= HEADER_BYTES && checksum(frame).to_le_bytes() == frame[CRC_AT..HEADER_BYTES]
    }
}

fn checksum(frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[..CRC_AT]), &frame[HEADER_BYTES..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_header_reads_back_and_any_flipped_bit_shows() {
        let header = Header {
            lsn: 9,
            seq: 4,
            synced_lsn: 7,
            epoch: 2,
            len: 3,
            kind: Kind::State,
            shard: 1,
            simulated: false,
        };
        let mut frame = [0_u8; HEADER_BYTES + 3];
        frame[HEADER_BYTES..].copy_from_slice(b"abc");
        header.fill(&mut frame);
        assert_eq!(Header::parse(&frame), Ok(header));
        assert!(Header::matches(&frame));
        for bit in 0..frame.len() * 8 {
            let mut flipped = frame;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!Header::matches(&flipped), "bit {bit}");
        }
    }

    #[test]
    fn numbers_that_contradict_the_kind_are_refused() {
        let good = Header {
            lsn: 9,
            seq: 0,
            synced_lsn: 7,
            epoch: 1,
            len: 0,
            kind: Kind::Gap,
            shard: 0,
            simulated: false,
        };
        let parse = |header: Header| {
            let mut frame = [0_u8; HEADER_BYTES];
            header.fill(&mut frame);
            Header::parse(&frame)
        };
        assert_eq!(parse(good), Ok(good));
        assert_eq!(parse(Header { seq: 1, ..good }), Err(Malformed { field: "seq" }));
        assert_eq!(
            parse(Header {
                kind: Kind::Bar,
                ..good
            }),
            Err(Malformed { field: "seq" })
        );
        assert_eq!(
            parse(Header {
                synced_lsn: 9,
                ..good
            }),
            Err(Malformed { field: "lsn" })
        );
        assert_eq!(Header::parse(&[0; 8]), Err(Malformed { field: "header" }));
    }
}
