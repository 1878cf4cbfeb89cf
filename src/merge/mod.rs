//! Two branches' locks and manifests, and what both had: three-way, on the graph.
//!
//! What the branches ask for ([`three`]), which versions their locks chose for whom ([`choices`])
//! and the locks' entries ([`entries`]) are merged apart: a side that changed something wins over
//! one that did not. What both changed in different ways is a [`Dispute`]. The tree itself is no
//! business of this room: it is resolved anew from what was merged. [`markers`] shows two outcomes
//! as one text with conflict markers.

pub mod choices;
pub mod entries;
pub mod markers;
pub mod three;

pub use choices::Choices;
pub use entries::Known;
pub use three::{Dispute, Stand, Three};

#[cfg(test)]
mod tests;
