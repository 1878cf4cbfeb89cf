//! What differs between two environments, by class and risk.
