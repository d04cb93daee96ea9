//! Follower.
