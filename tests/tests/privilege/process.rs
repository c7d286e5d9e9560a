//! A process, as `/proc` shows it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// A process or a thread, by its number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process(pub(crate) i32);

impl Process {
    fn text(self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.0)).unwrap()
    }

    /// What its `status` says.
    pub(crate) fn status(self) -> BTreeMap<String, String> {
        let text = self.text("status");
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        pairs
            .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
            .collect()
    }

    /// Its threads, itself among them.
    pub(crate) fn threads(self) -> Vec<Self> {
        let listed = fs::read_dir(format!("/proc/{}/task", self.0)).unwrap();
        let number = |name: std::ffi::OsString| name.to_str().unwrap().parse().unwrap();
        listed
            .map(|entry| Self(number(entry.unwrap().file_name())))
            .collect()
    }

    /// Its children.
    pub(crate) fn children(self) -> Vec<Self> {
        let of_threads = self.threads().into_iter();
        let of_threads = of_threads.map(|thread| self.text(&format!("task/{}/children", thread.0)));
        let numbers: Vec<String> = of_threads.collect();
        numbers
            .iter()
            .flat_map(|numbers| numbers.split_whitespace())
            .map(|number| Self(number.parse().unwrap()))
            .collect()
    }

    /// What it is called.
    pub(crate) fn name(self) -> String {
        self.status()["Name"].clone()
    }

    /// What it holds open, by number.
    pub(crate) fn descriptors(self) -> BTreeMap<i32, PathBuf> {
        let listed = fs::read_dir(format!("/proc/{}/fd", self.0)).unwrap().flatten();
        listed
            .filter_map(|entry| {
                let number = entry.file_name().to_str()?.parse().ok()?;
                // It may have been closed since.
                Some((number, fs::read_link(entry.path()).ok()?))
            })
            .collect()
    }

    /// A limit: soft and hard.
    pub(crate) fn limit(self, name: &str) -> (String, String) {
        let text = self.text("limits");
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let mut words = line.split_whitespace().map(str::to_owned);
        (words.next().unwrap(), words.next().unwrap())
    }

    /// The variables it was started with.
    pub(crate) fn environment(self) -> String {
        self.text("environ").replace('\0', " ")
    }

    /// Which namespace of this kind it is in.
    pub(crate) fn namespace(self, kind: &str) -> PathBuf {
        fs::read_link(format!("/proc/{}/ns/{kind}", self.0)).unwrap()
    }

    /// Network interfaces that it can see.
    pub(crate) fn interfaces(self) -> Vec<String> {
        let text = self.text("net/dev");
        let named = text.lines().filter_map(|line| line.split_once(':'));
        named.map(|(name, _)| name.trim().to_owned()).collect()
    }
}
