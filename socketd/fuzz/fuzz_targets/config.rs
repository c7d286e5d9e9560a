//! The configuration file, and what its values and the command line's are made of.
#![no_main]

use libfuzzer_sys::fuzz_target;
use socketd::config::Listen;
use socketd::config::file::Config;
use socketd::policy::browser::{HostName, Origin};
use socketd::policy::rights::{Group, Role};
use socketd::policy::scope::Label;
use socketd::policy::token::Digest;

fuzz_target!(|text: &str| {
    let _ = Config::parse(text);
    let _ = text.parse::<Listen>().map(|asked| asked.to_string());
    let _ = text.parse::<HostName>();
    let _ = text.parse::<Origin>();
    let _ = text.parse::<Role>();
    let _ = text.parse::<Group>();
    let _ = text.parse::<Label>();
    let _ = text.parse::<Digest>();
});
