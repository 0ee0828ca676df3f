//! Parses and prints filters: the whole grammar of RFC 7644 section 3.4.2.2.
//!
//! [`Expr::parse`] turns text into an [`Expr`]. Its `Display` prints the canonical form: lower-case
//! keywords, single spaces and the fewest brackets. A [`Profile`](crate::filter::Profile) decides
//! which part of the grammar a webhook may use.
//!
//! ```
//! use hooksieve::syntax::Expr;
//!
//! let expr = Expr::parse(r#"(id EQ "a") or ((spaceId ne "s"))"#)?;
//! assert_eq!(expr.to_string(), r#"id eq "a" or spaceId ne "s""#);
//!
//! let error = Expr::parse("id eq id123").unwrap_err();
//! assert_eq!(error.to_string(), "value `id123` is not in double quotes");
//! assert_eq!(error.span().map(|span| span.range()), Some(6..11));
//! assert_eq!(error.suggestion(), Some(r#"id eq "id123""#));
//! # Ok::<(), hooksieve::diagnostic::Diagnostic>(())
//! ```
//!
//! # Limits
//!
//! [`Limits`] bound the bytes, the depth and the terms of a text, and are checked while it is
//! parsed. A tree is a flat array in prefix order, so dropping, cloning, comparing and printing it
//! never recurses. Parsing uses at most fifty times as much memory as the text.

// A valid text goes through the upper line only. What is expensive, messages and suggestions,
// happens after an error:
//
//     text ──▶ token ──▶ parse ──▶ tree ──▶ expr ──▶ print
//                          │
//                          └──▶ diagnose ──▶ suggest

mod cursor;
mod diagnose;
mod diagnose_value;
mod error;
mod expr;
mod limits;
mod parse;
mod print;
mod steps;
mod suggest;
mod token;
mod tree;

pub(crate) use error::{Error, ErrorKind, Expected};
pub use expr::{AttrPath, CompareOp, Expr, ExprKind, ExprRef, Operands, Value};
pub use limits::Limits;

pub(crate) use parse::parse;
pub(crate) use print::{Shape, write_tree};
pub(crate) use suggest::{Rules, asks_for_absence, shown};
pub(crate) use token::is_space;
