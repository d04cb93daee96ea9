//! Production.
