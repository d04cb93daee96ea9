//! Read by golden vectors and the first vote.
