//! Directive.
