//! Signatures: what proves that a message is ours, and who else's it is.
