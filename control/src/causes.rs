//! An error and what is behind it, for the log.

use std::error::Error;

/// The error, its source, the source's source, ….
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// All of them in one line.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let said: Vec<String> = chain(error).map(ToString::to_string).collect();
    said.join(": ")
}
