//! ECDSA signatures with the smaller of the two valid values of `s`.
//!
//! For each valid `(r, s)` there is a valid `(r, n − s)`: anyone can turn one token into another
//! with the same content. We sign with the smaller `s`, and accept only that from our own keys.
//! RFC 7518 §3.4 doesn't ask for it, so the signatures of others may have either.

use crate::Alg;

const P256: &[u8] = &[
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
const P384: &[u8] = &[
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, 0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0,
    0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];
const P521: &[u8] = &[
    0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfa, 0x51, 0x86, 0x87, 0x83,
    0xbf, 0x2f, 0x96, 0x6b, 0x7f, 0xcc, 0x01, 0x48, 0xf7, 0x09, 0xa5, 0xd0, 0x3b, 0xb5, 0xc9, 0xb8, 0x89, 0x9c, 0x47,
    0xae, 0xbb, 0x6f, 0xb7, 0x1e, 0x91, 0x38, 0x64, 0x09,
];

/// The order `n` of the curve's base point (SP 800-186 §3.2.1): the length of `s`, and its bound.
fn order(alg: Alg) -> Option<&'static [u8]> {
    match alg {
        Alg::ES256 => Some(P256),
        Alg::ES384 => Some(P384),
        Alg::ES512 => Some(P521),
        _ => None,
    }
}

/// `a − b`, big-endian and of the same length, `a ≥ b`.
fn subtract(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut out = vec![0; a.len()];
    let mut borrow = false;
    for (slot, (x, y)) in out.iter_mut().zip(a.iter().zip(b)).rev() {
        let (partial, under1) = x.overflowing_sub(*y);
        let (byte, under2) = partial.overflowing_sub(u8::from(borrow));
        *slot = byte;
        borrow = under1 || under2;
    }
    out
}

/// Whether `s` is at most `n / 2`. Signatures of another length or algorithm pass: the verifier
/// refuses or accepts them on its own.
pub(crate) fn is_low(alg: Alg, signature: &[u8]) -> bool {
    let Some(n) = order(alg) else { return true };
    match signature.get(n.len()..) {
        Some(s) if s.len() == n.len() && s <= n => s <= subtract(n, s).as_slice(),
        _ => true,
    }
}

/// Replaces `s` by `n − s` if that is smaller.
pub(crate) fn make_low(alg: Alg, signature: &mut [u8]) {
    if !is_low(alg, signature) {
        replace_s(alg, signature);
    }
}

fn replace_s(alg: Alg, signature: &mut [u8]) {
    let Some(n) = order(alg) else { return };
    if let Some(s) = signature.get_mut(n.len()..) {
        let other = subtract(n, s);
        s.copy_from_slice(&other);
    }
}

/// The signature with the other `s`.
#[cfg(test)]
pub(crate) fn other_s(alg: Alg, signature: &[u8]) -> Vec<u8> {
    let mut out = signature.to_vec();
    replace_s(alg, &mut out);
    out
}
