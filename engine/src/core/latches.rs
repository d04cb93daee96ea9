//! The two halt latches. The engine signals only when both are clear; a swap clears none.

use contracts::reason::Latch;

/// Which latches are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latches {
    control: bool,
    local: bool,
}

impl Latches {
    /// True when either is set.
    #[must_use]
    pub const fn halted(self) -> bool {
        self.control || self.local
    }

    /// True when `latch` is set.
    #[must_use]
    pub const fn is_set(self, latch: Latch) -> bool {
        match latch {
            Latch::Control => self.control,
            Latch::Local => self.local,
        }
    }

    /// Sets or clears `latch`; true when that changed it.
    pub const fn put(&mut self, latch: Latch, set: bool) -> bool {
        let held = match latch {
            Latch::Control => &mut self.control,
            Latch::Local => &mut self.local,
        };
        let changed = *held != set;
        *held = set;
        changed
    }

    /// What is set here or in `other`.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            control: self.control || other.control,
            local: self.local || other.local,
        }
    }

    /// One byte for the snapshot.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        self.control as u8 | (self.local as u8) << 1
    }

    /// From the snapshot's byte; unknown bits are refused.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits > 3 {
            return None;
        }
        Some(Self {
            control: bits & 1 != 0,
            local: bits & 2 != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_must_be_clear() {
        let mut latches = Latches::default();
        assert!(!latches.halted());
        assert!(latches.put(Latch::Local, true));
        assert!(!latches.put(Latch::Local, true));
        assert!(latches.put(Latch::Control, true));
        assert!(latches.put(Latch::Local, false));
        assert!(latches.halted() && latches.is_set(Latch::Control));
        assert_eq!(Latches::from_bits(latches.to_bits()), Some(latches));
        assert_eq!(Latches::from_bits(4), None);
    }
}
