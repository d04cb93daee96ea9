//! Little-endian state bytes: what a snapshot holds, restored bit for bit.

/// State bytes that do not fit the running plan; the snapshot belongs to another feature contract or is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("operator state does not fit this feature contract: {0}")]
pub struct LoadStateError(pub &'static str);

pub(crate) fn put_u8(out: &mut Vec<u8>, value: u8) {
    out.push(value);
}

pub(crate) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_f64(out: &mut Vec<u8>, value: f64) {
    put_u64(out, value.to_bits());
}

pub(crate) fn take<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], LoadStateError> {
    let (head, rest) = input
        .split_first_chunk::<N>()
        .ok_or(LoadStateError("it ends early"))?;
    *input = rest;
    Ok(*head)
}

pub(crate) fn take_u8(input: &mut &[u8]) -> Result<u8, LoadStateError> {
    take::<1>(input).map(|[byte]| byte)
}

pub(crate) fn take_u32(input: &mut &[u8]) -> Result<u32, LoadStateError> {
    take(input).map(u32::from_le_bytes)
}

pub(crate) fn take_u64(input: &mut &[u8]) -> Result<u64, LoadStateError> {
    take(input).map(u64::from_le_bytes)
}

pub(crate) fn take_i64(input: &mut &[u8]) -> Result<i64, LoadStateError> {
    take(input).map(i64::from_le_bytes)
}

pub(crate) fn take_f64(input: &mut &[u8]) -> Result<f64, LoadStateError> {
    take_u64(input).map(f64::from_bits)
}
