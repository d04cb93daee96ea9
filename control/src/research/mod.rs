//! What a researcher's machine computes: datasets, trainings and the chain of both. Nothing here opens the store; what was made is
//! registered over HTTP.

pub mod external;
pub mod trained;
