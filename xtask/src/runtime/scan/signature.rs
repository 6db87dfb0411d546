//! The code signatures of Mach-O files. The ad-hoc signature of a linker counts, but its hashes must match the bytes. A
//! program that edits a linked library must sign it again; in some published wheels that was forgotten.

use std::io::Read as _;

use object::macho;
use object::read::macho::{CodeDirectory, CodeSignature};
use sha1::Digest as _;
use sha1::Sha1;
use sha2::{Sha256, Sha384};

use super::image::{Damaged, Image};
use super::problem::Problem;

/// The place of the signature, from `LC_CODE_SIGNATURE`.
#[derive(Debug)]
pub struct Signature {
    /// From the start of the image.
    pub offset: u64,
    /// In bytes.
    pub size: u64,
}

/// Checks the signature of an image.
pub fn check(image: &Image<'_>, signature: Option<&Signature>) -> Result<Option<Problem>, Damaged> {
    let Some(signature) = signature else {
        return Ok(Some(Problem::Unsigned));
    };
    let bytes = image.bytes(signature.offset, signature.size)?;
    let mut best: Option<CodeDirectory<'_>> = None;
    for blob in CodeSignature::parse(bytes)?.blobs() {
        // Of several directories the kernel takes the one with the strongest hash.
        if let Some(directory) = blob?.code_directory()?
            && best.as_ref().is_none_or(|best| rank(&directory) > rank(best))
        {
            best = Some(directory);
        }
    }
    let Some(directory) = best.filter(|directory| rank(directory) > 0) else {
        return Ok(Some(Problem::NoCodeDirectory));
    };
    pages(image, signature, &directory)
}

fn rank(directory: &CodeDirectory<'_>) -> u8 {
    match directory.header().hash_type {
        macho::CS_HASHTYPE_SHA384 => 4,
        macho::CS_HASHTYPE_SHA256 => 3,
        macho::CS_HASHTYPE_SHA256_TRUNCATED => 2,
        macho::CS_HASHTYPE_SHA1 => 1,
        _ => 0,
    }
}

/// Compares the hash of every page.
fn pages(image: &Image<'_>, signature: &Signature, directory: &CodeDirectory<'_>) -> Result<Option<Problem>, Damaged> {
    let header = directory.header();
    let limit = directory.code_limit();
    // 0 stands for one page that is everything, and nothing larger than 64 KiB is in use.
    let exponent = header.page_size;
    if exponent > 16 || (exponent == 0 && limit > 0) {
        return Err(Damaged(format!("its signature has pages of 2^{exponent} bytes")));
    }
    let size = 1_u64 << exponent;
    let count = u64::from(header.n_code_slots.get(object::endian::BigEndian));
    if limit < signature.offset || count != limit.div_ceil(size) {
        return Ok(Some(Problem::PartlySigned));
    }
    let mut reader = image.slice(0, limit)?.reader()?;
    let mut page = vec![0; usize::try_from(size).unwrap_or(0)];
    for index in 0..count {
        let length = usize::try_from(size.min(limit - index * size)).unwrap_or(0);
        let page = &mut page[..length];
        reader.read_exact(page).map_err(|error| Damaged(error.to_string()))?;
        let expected = directory.code_hash(u32::try_from(index).unwrap_or(u32::MAX))?;
        let is_right = match header.hash_type {
            macho::CS_HASHTYPE_SHA384 => Sha384::digest(page).as_slice() == expected,
            macho::CS_HASHTYPE_SHA256 => Sha256::digest(page).as_slice() == expected,
            macho::CS_HASHTYPE_SHA256_TRUNCATED => Sha256::digest(page)[..20] == *expected,
            _ => Sha1::digest(page).as_slice() == expected,
        };
        if !is_right {
            return Ok(Some(Problem::ChangedPage { index, count }));
        }
    }
    Ok(None)
}
