//! The stories of the house, in one binary: each module tells those of one part.

mod doors;
