//! A segment file: its name and its head.
//!
//! `{first lsn, 20 digits}.seg` = head, then frames. The head is magic, version, length, the [`Carry`] of everything before,
//! and a CRC-32C of all that.

use contracts::hash::ContractDigest;
use contracts::time::{UnixNanos, UtcMillis};

use super::carry::{Carry, EpochStart};
use crate::core::record::{BootId, Durability};

const MAGIC: &[u8; 8] = b"2VOTEJNL";
const VERSION: u32 = 1;
/// Magic, version and the body's length.
const PREFIX_BYTES: usize = 16;

/// What a segment says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentHead {
    /// `lsn` of its first record.
    pub first_lsn: u64,
    /// `seq` of the first message in it or after it.
    pub first_seq: u64,
    /// When it was made.
    pub created_at: UnixNanos,
    /// What is known from before.
    pub carry: Carry,
}

/// The file name of the segment that begins with `first_lsn`.
#[must_use]
pub fn segment_name(first_lsn: u64) -> String {
    format!("{first_lsn:020}.seg")
}

/// The first `lsn` of a segment by its file name; `None` for another file.
#[must_use]
pub fn parse_segment_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    (digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

impl SegmentHead {
    /// The bytes a segment begins with.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend_from_slice(&self.first_lsn.to_le_bytes());
        body.extend_from_slice(&self.first_seq.to_le_bytes());
        body.extend_from_slice(&self.created_at.0.to_le_bytes());
        let carry = &self.carry;
        let (boot, durability) = match carry.run {
            None => ([0; 16], 0),
            Some((boot, Durability::Process)) => (boot.0, 1),
            Some((boot, Durability::Disk)) => (boot.0, 2),
        };
        body.extend_from_slice(&boot);
        body.push(durability);
        body.push(
            u8::from(carry.stopped) | u8::from(carry.control_latch) << 1 | u8::from(carry.local_latch) << 2,
        );
        body.extend_from_slice(&carry.directive.to_le_bytes());
        let (generation, digest) = carry.generation.map_or((0, [0; 32]), |(g, d)| (g, *d.as_bytes()));
        body.push(u8::from(carry.generation.is_some()));
        body.extend_from_slice(&generation.to_le_bytes());
        body.extend_from_slice(&digest);
        let count = |n: usize| {
            u32::try_from(n)
                .expect("epochs and instruments are few")
                .to_le_bytes()
        };
        body.extend_from_slice(&count(carry.epochs.len()));
        for start in &carry.epochs {
            body.extend_from_slice(&start.epoch.to_le_bytes());
            body.extend_from_slice(&start.first_seq.to_le_bytes());
        }
        body.extend_from_slice(&count(carry.last_close.len()));
        for (name, close) in &carry.last_close {
            body.push(u8::try_from(name.len()).expect("an instrument name is at most 32 bytes"));
            body.extend_from_slice(name.as_bytes());
            body.extend_from_slice(&close.0.to_le_bytes());
        }
        let mut bytes = Vec::with_capacity(PREFIX_BYTES + body.len() + 4);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&count(body.len()));
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    /// How many bytes the head takes, from its first 16; `None` when they are no head.
    #[must_use]
    pub fn len_of(bytes: &[u8]) -> Option<usize> {
        let prefix: &[u8; PREFIX_BYTES] = bytes.first_chunk()?;
        let u32_at = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| prefix[at + i]));
        (&prefix[..8] == MAGIC && u32_at(8) == VERSION)
            .then(|| PREFIX_BYTES.checked_add(u32_at(12) as usize)?.checked_add(4))
            .flatten()
    }

    /// Reads a head; `None` when the bytes are not exactly one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if Self::len_of(bytes)? != bytes.len() {
            return None;
        }
        let (checked, crc) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(checked).to_le_bytes() != *crc {
            return None;
        }
        let mut take = Take(&checked[PREFIX_BYTES..]);
        let (first_lsn, first_seq) = (
            u64::from_le_bytes(take.array()?),
            u64::from_le_bytes(take.array()?),
        );
        let created_at = UnixNanos(i64::from_le_bytes(take.array()?));
        let boot = BootId(take.array()?);
        let run = match take.byte()? {
            0 => None,
            1 => Some((boot, Durability::Process)),
            2 => Some((boot, Durability::Disk)),
            _ => return None,
        };
        let flags = take.byte()?;
        let directive = u64::from_le_bytes(take.array()?);
        let has_generation = take.byte()? != 0;
        let generation = u64::from_le_bytes(take.array()?);
        let digest = ContractDigest::from_bytes(take.array()?);
        let mut epochs = Vec::new();
        for _ in 0..u32::from_le_bytes(take.array()?) {
            let epoch = u32::from_le_bytes(take.array()?);
            epochs.push(EpochStart {
                epoch,
                first_seq: u64::from_le_bytes(take.array()?),
            });
        }
        let mut last_close = std::collections::BTreeMap::new();
        for _ in 0..u32::from_le_bytes(take.array()?) {
            let len = usize::from(take.byte()?);
            let name = std::str::from_utf8(take.slice(len)?).ok()?;
            last_close.insert(name.into(), UtcMillis(i64::from_le_bytes(take.array()?)));
        }
        let carry = Carry {
            run,
            stopped: flags & 1 != 0,
            control_latch: flags & 2 != 0,
            local_latch: flags & 4 != 0,
            directive,
            generation: has_generation.then_some((generation, digest)),
            epochs,
            last_close,
        };
        (flags < 8 && take.0.is_empty()).then_some(Self {
            first_lsn,
            first_seq,
            created_at,
            carry,
        })
    }
}

struct Take<'a>(&'a [u8]);

impl<'a> Take<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }
    fn byte(&mut self) -> Option<u8> {
        Some(self.array::<1>()?[0])
    }
    fn slice(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> SegmentHead {
        SegmentHead {
            first_lsn: 77,
            first_seq: 42,
            created_at: UnixNanos(-5),
            carry: Carry {
                run: Some((BootId([7; 16]), Durability::Disk)),
                stopped: true,
                epochs: vec![
                    EpochStart {
                        epoch: 1,
                        first_seq: 1,
                    },
                    EpochStart {
                        epoch: 2,
                        first_seq: 40,
                    },
                ],
                generation: Some((9, ContractDigest::from_bytes([3; 32]))),
                directive: 12,
                control_latch: false,
                local_latch: true,
                last_close: [("USDCOP".into(), UtcMillis(300_000))].into(),
            },
        }
    }

    #[test]
    fn a_head_is_its_committed_bytes_and_reads_back() {
        let bytes = head().encode();
        assert_eq!(SegmentHead::decode(&bytes), Some(head()));
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/segment_head.v1.hex");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, hex::encode(&bytes)).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(path).unwrap().trim(),
            hex::encode(&bytes),
            "{path}"
        );
    }

    #[test]
    fn any_flipped_bit_or_cut_shows() {
        let bytes = head().encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHead::decode(&flipped), None, "bit {bit}");
        }
        for cut in 0..bytes.len() {
            assert_eq!(SegmentHead::decode(&bytes[..cut]), None);
        }
    }

    #[test]
    fn names_sort_by_number_and_other_files_are_none() {
        assert_eq!(parse_segment_name(&segment_name(77)), Some(77));
        assert!(segment_name(9) < segment_name(10));
        for other in [
            "lock",
            "1.seg",
            "0000000000000000000x.seg",
            "00000000000000000001.tmp",
        ] {
            assert_eq!(parse_segment_name(other), None, "{other}");
        }
    }
}
