//! Hostile and odd inputs of every kind, built here, and the program run on each.
//!
//! The numbers are rows of the threat table; each case also holds the invariants: nothing outside
//! project and store changes, modes are plain, no control character is printed, no line has more
//! than 400 bytes, all within 5 s and a bounded memory.

mod archives;
mod bins;
mod bombs;
mod case;
mod limits;
mod locks;
mod packuments;
mod policy;
mod ranges;
mod readings;
mod tar;
mod world;
