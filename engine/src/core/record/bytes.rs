//! Little-endian fields into and out of a payload.

/// Why bytes are no record of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the field `{field}` does not hold")]
pub struct Malformed {
    /// The first field that cannot be read.
    pub field: &'static str,
}

/// Version of every payload written here. Another layout of a kind gets another number, and both stay readable.
pub(super) const VERSION: u8 = 1;

/// Appends fields.
pub(super) struct Put<'a>(pub &'a mut Vec<u8>);

impl Put<'_> {
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }
    pub fn bool(&mut self, value: bool) {
        self.0.push(u8::from(value));
    }
    pub fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    pub fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    pub fn i32(&mut self, value: i32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    pub fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    pub fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
    pub fn f32(&mut self, value: f32) {
        self.u32(value.to_bits());
    }
    pub fn f64(&mut self, value: f64) {
        self.u64(value.to_bits());
    }
    pub fn bytes(&mut self, value: &[u8]) {
        self.0.extend_from_slice(value);
    }
    pub fn text(&mut self, value: &str) {
        self.u16(u16::try_from(value.len()).expect("names and versions are at most 96 bytes"));
        self.0.extend_from_slice(value.as_bytes());
    }
    pub fn f32s(&mut self, values: &[f32]) {
        self.u16(u16::try_from(values.len()).expect("an observation has at most FEATURES_MAX values"));
        for value in values {
            self.f32(*value);
        }
    }
}

macro_rules! take_numbers {
    ($($name:ident: $bytes:literal;)*) => {$(
        pub fn $name(&mut self, field: &'static str) -> Result<$name, Malformed> {
            Ok($name::from_le_bytes(self.array::<$bytes>(field)?))
        }
    )*};
}

/// Reads fields, each named for the error.
pub(super) struct Take<'a> {
    rest: &'a [u8],
}

impl<'a> Take<'a> {
    pub const fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }

    pub fn slice(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Malformed { field })?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed { field })?;
        self.rest = rest;
        Ok(*taken)
    }

    take_numbers! { u16: 2; u32: 4; i32: 4; u64: 8; i64: 8; f32: 4; f64: 8; }

    pub fn u8(&mut self, field: &'static str) -> Result<u8, Malformed> {
        Ok(self.array::<1>(field)?[0])
    }

    pub fn bool(&mut self, field: &'static str) -> Result<bool, Malformed> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed { field }),
        }
    }

    pub fn text(&mut self, field: &'static str) -> Result<&'a str, Malformed> {
        let len = self.u16(field)?;
        std::str::from_utf8(self.slice(usize::from(len), field)?).map_err(|_| Malformed { field })
    }

    pub fn f32s(&mut self, field: &'static str) -> Result<F32s<'a>, Malformed> {
        let len = usize::from(self.u16(field)?);
        Ok(F32s(self.slice(len * 4, field)?))
    }

    pub fn names(&mut self, field: &'static str) -> Result<Names<'a>, Malformed> {
        let count = self.u16(field)?;
        let all = self.rest;
        for _ in 0..count {
            self.text(field)?;
        }
        Ok(Names {
            bytes: &all[..all.len() - self.rest.len()],
            count,
        })
    }

    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub fn version(&mut self) -> Result<(), Malformed> {
        if self.u8("version")? == VERSION {
            Ok(())
        } else {
            Err(Malformed { field: "version" })
        }
    }

    pub const fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Malformed { field: "end" })
        }
    }
}

/// `f32` values as they lie in a payload: any alignment, little-endian, exact bits.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct F32s<'a>(&'a [u8]);

impl<'a> F32s<'a> {
    /// How many.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.len() / 4
    }

    /// True when there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The values in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = f32> + 'a {
        self.0
            .as_chunks::<4>()
            .0
            .iter()
            .map(|bits| f32::from_le_bytes(*bits))
    }
}

impl std::fmt::Debug for F32s<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Names as they lie in a payload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Names<'a> {
    bytes: &'a [u8],
    count: u16,
}

impl<'a> Names<'a> {
    /// How many.
    #[must_use]
    pub fn len(self) -> usize {
        usize::from(self.count)
    }

    /// True when there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.count == 0
    }

    /// The names in order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let mut take = Take::new(self.bytes);
        (0..self.count).map(move |_| take.text("names").expect("checked when the list was decoded"))
    }
}

impl std::fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
