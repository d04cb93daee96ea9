//! A folder as one file: plain `ustar`, which every tar reads. Only what a backup needs: regular files, names up to 100 bytes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

const BLOCK: usize = 512;
const NAME_BYTES: usize = 100;

/// Writes all files below `folder`, sorted by name.
pub fn pack(folder: &Path, out: &mut impl Write) -> io::Result<()> {
    let mut files = Vec::new();
    collect(folder, folder, &mut files)?;
    files.sort();
    for name in files {
        let mut file = File::open(folder.join(&name))?;
        let bytes = file.metadata()?.len();
        out.write_all(&header(&name, bytes)?)?;
        let copied = io::copy(&mut file, out)?;
        if copied != bytes {
            return Err(io::Error::other("a file changed while it was packed"));
        }
        out.write_all(&vec![0; padding(bytes)])?;
    }
    out.write_all(&[0; 2 * BLOCK])?;
    out.flush()
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else {
            let name = path.strip_prefix(root).map_err(io::Error::other)?.to_str();
            files.push(
                name.ok_or_else(|| io::Error::other("a name is no UTF-8"))?
                    .to_owned(),
            );
        }
    }
    Ok(())
}

fn padding(bytes: u64) -> usize {
    let over = (bytes % BLOCK as u64) as usize;
    if over == 0 { 0 } else { BLOCK - over }
}

fn header(name: &str, bytes: u64) -> io::Result<[u8; BLOCK]> {
    if name.len() > NAME_BYTES {
        return Err(io::Error::other(format!("{name} is too long a name")));
    }
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{bytes:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(block)
}

/// Unpacks into `folder`. Names that lead elsewhere, links and whatever else is no plain file are refused.
pub fn unpack(input: &mut impl Read, folder: &Path) -> io::Result<()> {
    let bad = |detail: &str| io::Error::new(io::ErrorKind::InvalidData, format!("no backup: {detail}"));
    loop {
        let mut block = [0; BLOCK];
        input.read_exact(&mut block)?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let text = |from: usize, length: usize| {
            let field = &block[from..from + length];
            let end = field
                .iter()
                .position(|byte| matches!(byte, 0 | b' '))
                .unwrap_or(length);
            std::str::from_utf8(&field[..end]).map_err(|_| bad("a header is no text"))
        };
        let mut summed = block;
        summed[148..156].fill(b' ');
        let sum: u32 = summed.iter().map(|byte| u32::from(*byte)).sum();
        if u32::from_str_radix(text(148, 8)?, 8) != Ok(sum) {
            return Err(bad("a header was damaged"));
        }
        if !matches!(block[156], b'0' | 0) {
            return Err(bad("it holds something that is no plain file"));
        }
        let name = PathBuf::from(text(0, NAME_BYTES)?);
        if !name.components().all(|part| matches!(part, Component::Normal(_))) || name.as_os_str().is_empty()
        {
            return Err(bad("a name leads elsewhere"));
        }
        let bytes = u64::from_str_radix(text(124, 12)?, 8).map_err(|_| bad("a size is no number"))?;
        let path = folder.join(name);
        if let Some(place) = path.parent() {
            std::fs::create_dir_all(place)?;
        }
        let mut file = File::create_new(path)?;
        if io::copy(&mut input.take(bytes), &mut file)? != bytes {
            return Err(bad("it was cut off"));
        }
        let mut rest = vec![0; padding(bytes)];
        input.read_exact(&mut rest)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed() -> (tempfile::TempDir, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tables")).unwrap();
        std::fs::write(folder.path().join("tables/a.jsonl"), vec![7; 1000]).unwrap();
        std::fs::write(folder.path().join("manifest.json"), b"").unwrap();
        std::fs::write(folder.path().join("exact"), vec![1; BLOCK]).unwrap();
        let mut bytes = Vec::new();
        pack(folder.path(), &mut bytes).unwrap();
        (folder, bytes)
    }

    #[test]
    fn what_is_packed_comes_out_and_the_system_s_tar_reads_it() {
        let (from, bytes) = packed();
        let to = tempfile::tempdir().unwrap();
        unpack(&mut bytes.as_slice(), to.path()).unwrap();
        for name in ["tables/a.jsonl", "manifest.json", "exact"] {
            let read = |folder: &Path| std::fs::read(folder.join(name)).unwrap();
            assert_eq!(read(from.path()), read(to.path()), "{name}");
        }
        let archive = from.path().join("all.tar");
        std::fs::write(&archive, &bytes).unwrap();
        if let Ok(listed) = std::process::Command::new("tar")
            .arg("-tf")
            .arg(&archive)
            .output()
        {
            let names = String::from_utf8(listed.stdout).unwrap();
            assert_eq!(names, "exact\nmanifest.json\ntables/a.jsonl\n");
        }
    }

    #[test]
    fn what_is_damaged_or_leads_elsewhere_is_refused() {
        let (_from, bytes) = packed();
        let refused = |bytes: &[u8]| {
            let to = tempfile::tempdir().unwrap();
            unpack(&mut &*bytes, to.path()).unwrap_err().to_string()
        };
        let mut damaged = bytes.clone();
        damaged[3] ^= 1;
        assert!(refused(&damaged).contains("damaged"));
        refused(&bytes[..bytes.len() / 2]);
        for name in ["../evil", "/evil", "a/../../evil"] {
            let mut evil = header(name, 0).unwrap().to_vec();
            evil.extend([0; 2 * BLOCK]);
            assert!(refused(&evil).contains("elsewhere"), "{name}");
        }
        let mut link = header("link", 0).unwrap();
        link[156] = b'2';
        link[148..156].fill(b' ');
        let sum: u32 = link.iter().map(|byte| u32::from(*byte)).sum();
        link[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert!(refused(&link).contains("no plain file"));
    }
}
