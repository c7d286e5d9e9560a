//! Any bytes as a segment: the walk ends, moves only forward, and what it finds is in the file.
#![no_main]

use std::io;

use journal::record::Seal;
use journal::scan::{Course, Found, Scan};
use journal::segment::{HEAD_BYTES, HEADER_BYTES, SegmentHeader};
use journal::storage::File;
use libfuzzer_sys::fuzz_target;

#[derive(Debug)]
struct Bytes(Vec<u8>);

impl File for Bytes {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn truncate(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fuzz_target!(|data: &[u8]| {
    let header = data.first_chunk::<HEADER_BYTES>().and_then(SegmentHeader::decode);
    let (first, seal) = header.map_or((1, Seal::new([0; 16])), |header| (header.first, header.seal()));
    let file = Bytes(data.to_vec());
    let mut scan = Scan::new(&file, seal, Course::whole(first, data.len() as u64));
    let mut at = HEAD_BYTES as u64;
    while let Some(found) = scan.step().unwrap() {
        let (offset, end) = match found {
            Found::Hole(hole) => (hole.offset, hole.offset + hole.bytes),
            Found::Record(record) => {
                assert_eq!(scan.payload(&record).unwrap().len(), record.header.payload_bytes());
                (record.offset, record.end())
            }
        };
        assert!(offset == at && end > offset && end <= data.len() as u64);
        at = end;
    }
});
