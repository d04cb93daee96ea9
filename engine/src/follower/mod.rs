//! Follows the desired state of the slot: fetches contracts and directives, verifies them, has them built and adopted.

pub mod gate;
