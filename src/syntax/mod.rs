//! Filter text ⇄ tree: the whole grammar of RFC 7644 section 3.4.2.2.
//!
//! [`Expr::parse`] turns text into an [`Expr`], whose `Display` prints the RFC's form with the fewest
//! brackets. What a webhook may use of the grammar is not decided here but by a
//! [`Profile`](crate::filter::Profile).
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
//! Text is bounded in bytes, depth and terms by [`Limits`], charged while parsing. A tree is a flat
//! array in prefix order: dropping, cloning, comparing and printing one takes no stack that grows
//! with the input, and parsing holds at most fifty times the bytes of its text.

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
