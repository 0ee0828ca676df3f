//! Parses and prints filters: the whole grammar of RFC 7644 section 3.4.2.2.
//!
//! [`Expr::parse`] turns text into an [`Expr`], and its `Display` prints the RFC's form with the
//! fewest brackets. Which part of the grammar a webhook may use is decided by a
//! [`Profile`](crate::filter::Profile), not here.
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
//! [`Limits`] bound a text in bytes, depth and terms, and are checked while parsing. A tree is a
//! flat array in prefix order, so dropping, cloning, comparing and printing it never recurses.
//! Parsing uses at most fifty times as much memory as the text.

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
