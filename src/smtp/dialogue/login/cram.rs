//! CRAM-MD5 (RFC 2195): old, and still all that some smarthosts have beside PLAIN.

use crate::base::secret::Secret;
use md5::{Digest, Md5};
use zeroize::Zeroizing;

const BLOCK_BYTES: usize = 64;

/// RFC 2195 2: the name, and the keyed digest of the challenge.
pub(super) fn response(username: &str, password: &Secret, challenge: &[u8]) -> String {
    let digest: String = hmac(password.expose().as_bytes(), challenge).iter().map(|b| format!("{b:02x}")).collect();
    format!("{username} {digest}")
}

/// RFC 2104 2, with MD5: aws-lc-rs has it with no hash that old.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 16] {
    let mut block = Zeroizing::new([0; BLOCK_BYTES]);
    match key.len() {
        n if n > BLOCK_BYTES => block[..16].copy_from_slice(&Md5::digest(key)),
        n => block[..n].copy_from_slice(key),
    }
    let pad = |with: u8| Zeroizing::new(block.map(|b| b ^ with));
    let inner = Md5::new().chain_update(*pad(0x36)).chain_update(message).finalize();
    Md5::new().chain_update(*pad(0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfcs_come_out() {
        let password = Secret::new("tanstaaftanstaaf".to_owned());
        let said = response("tim", &password, b"<1896.697170952@postoffice.reston.mci.net>");
        assert_eq!(said, "tim b913a602c7eda7a495b4e6e7334d3890");
        // RFC 2202 2, test 6: a key longer than a block.
        let long = hmac(&[0xaa; 80], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(u128::from_be_bytes(long), 0x6b1a_b7fe_4bd7_bf8f_0b62_e6ce_61b9_d0cd);
    }
}
