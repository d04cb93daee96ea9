//! Little-endian bytes for the core's snapshot.

/// Appends fixed-width values.
pub struct Put<'a>(pub &'a mut Vec<u8>);

impl Put<'_> {
    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }
    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    /// Eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    /// Eight bytes.
    pub fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    /// The bits of a float.
    pub fn f64(&mut self, value: f64) {
        self.u64(value.to_bits());
    }
    /// A presence byte, then eight bytes when present.
    pub fn opt_i64(&mut self, value: Option<i64>) {
        self.u8(u8::from(value.is_some()));
        self.i64(value.unwrap_or(0));
    }
    /// Length and text.
    pub fn text(&mut self, text: &str) {
        self.u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
        self.0.extend_from_slice(text.as_bytes());
    }
    /// Length, filled in afterwards, and what `write` appends.
    pub fn block(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let at = self.0.len();
        self.u32(0);
        write(self.0);
        let len = u32::try_from(self.0.len() - at - 4).unwrap_or(u32::MAX);
        self.0[at..at + 4].copy_from_slice(&len.to_le_bytes());
    }
}

/// The bytes ended before the value, or hold something impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the snapshot's bytes end early or hold an impossible value; recovery needs an older segment")]
pub struct BadBytes;

/// Takes fixed-width values.
pub struct Take<'a>(pub &'a [u8]);

impl<'a> Take<'a> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], BadBytes> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(BadBytes)?;
        self.0 = rest;
        Ok(*head)
    }
    /// One byte.
    ///
    /// # Errors
    /// [`BadBytes`] at the end; so for every method here.
    pub fn u8(&mut self) -> Result<u8, BadBytes> {
        Ok(self.bytes::<1>()?[0])
    }
    /// Four bytes.
    ///
    /// # Errors
    /// [`BadBytes`]
    pub fn u32(&mut self) -> Result<u32, BadBytes> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }
    /// Eight bytes.
    ///
    /// # Errors
    /// [`BadBytes`]
    pub fn u64(&mut self) -> Result<u64, BadBytes> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }
    /// Eight bytes.
    ///
    /// # Errors
    /// [`BadBytes`]
    pub fn i64(&mut self) -> Result<i64, BadBytes> {
        Ok(i64::from_le_bytes(self.bytes()?))
    }
    /// The bits of a float.
    ///
    /// # Errors
    /// [`BadBytes`]
    pub fn f64(&mut self) -> Result<f64, BadBytes> {
        Ok(f64::from_bits(self.u64()?))
    }
    /// A presence byte, then eight bytes.
    ///
    /// # Errors
    /// [`BadBytes`]
    pub fn opt_i64(&mut self) -> Result<Option<i64>, BadBytes> {
        let present = self.u8()?;
        let value = self.i64()?;
        Ok((present != 0).then_some(value))
    }
    /// 32 bytes.
    ///
    /// # Errors
    /// [`BadBytes`]
    pub fn digest(&mut self) -> Result<[u8; 32], BadBytes> {
        self.bytes()
    }
    /// Length and bytes.
    ///
    /// # Errors
    /// [`BadBytes`]
    pub fn block(&mut self) -> Result<&'a [u8], BadBytes> {
        let len = self.u32()? as usize;
        let (head, rest) = self.0.split_at_checked(len).ok_or(BadBytes)?;
        self.0 = rest;
        Ok(head)
    }
    /// Length and text.
    ///
    /// # Errors
    /// [`BadBytes`]
    pub fn text(&mut self) -> Result<&'a str, BadBytes> {
        std::str::from_utf8(self.block()?).map_err(|_| BadBytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_taken_and_nothing_more() {
        let mut bytes = Vec::new();
        let mut put = Put(&mut bytes);
        put.u8(7);
        put.f64(-0.0);
        put.opt_i64(Some(-3));
        put.opt_i64(None);
        put.text("dxy");
        put.block(|out| out.extend_from_slice(&[1, 2, 3]));
        let mut take = Take(&bytes);
        assert_eq!(take.u8(), Ok(7));
        assert_eq!(take.f64().map(f64::to_bits), Ok((-0.0f64).to_bits()));
        assert_eq!(take.opt_i64(), Ok(Some(-3)));
        assert_eq!(take.opt_i64(), Ok(None));
        assert_eq!(take.text(), Ok("dxy"));
        assert_eq!(take.block(), Ok(&[1u8, 2, 3][..]));
        assert_eq!(take.u8(), Err(BadBytes));
        for cut in 0..bytes.len() {
            let mut take = Take(&bytes[..cut]);
            let all = (|| {
                take.u8()?;
                take.f64()?;
                take.opt_i64()?;
                take.opt_i64()?;
                take.text()?;
                take.block()
            })();
            assert_eq!(all, Err(BadBytes), "cut at {cut}");
        }
    }
}
