//! What a container may have of what it asks for: powers, mounts, devices, limits and settings of a spec. A path
//! that a plan gives is absolute and leads nowhere upwards.
#![no_main]

use bridge::shim::plan::{capabilities, limits, mounts, sysctls};
use libfuzzer_sys::fuzz_target;
use wire::reader::Unknown;
use wire::record::Value;
use wire::spec::Spec;

fuzz_target!(|bytes: &[u8]| {
    let Ok(spec) = Spec::decode(bytes, Unknown::Skip) else {
        return;
    };
    let _ = capabilities::plan(&spec.security);
    let _ = mounts::plan(&spec.mounts);
    let _ = mounts::devices(&spec.security.devices);
    let _ = limits::rlimits(&spec.resources.ulimits);
    let _ = limits::oom_score(spec.resources.oom_score_adjustment);
});
