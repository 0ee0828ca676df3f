//! A SCIM filter engine and delivery-matching core.
#![cfg_attr(docsrs, feature(doc_cfg))]
pub mod syntax;
