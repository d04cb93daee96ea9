//! The signal stream end to end: real sockets, the hub and the server, a journal that is a function of the seq.

mod access;
mod ends;
mod http;
mod kit;
mod messages;
mod positions;
mod python;
mod resume;
mod slow;
mod tail;
