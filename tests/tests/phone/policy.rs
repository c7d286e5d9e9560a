//! SELinux: the policy for images compiles, and the rule for rooted phones says the same.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::module;

/// The domains of root that start a module's scripts.
const ROOTS: [&str; 3] = ["magisk", "ksu", "su"];
/// What stands for whoever starts the daemons, once both are compared.
const STARTER: &str = "STARTER";

/// One thing that a policy says, its words in one order.
type Saying = Vec<String>;

fn saying(words: &[&str]) -> Saying {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// A line of magiskpolicy, cut into its words and its groups of words.
fn groups(line: &str) -> Vec<Vec<&str>> {
    let mut found = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (words, after) = match rest.strip_prefix('{') {
            Some(inner) => inner.split_once('}').unwrap(),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        found.push(words.split_whitespace().collect());
        rest = after.trim_start();
    }
    found
}

/// What a rule file says where root has this domain.
fn of_rule(text: &str, root: &str) -> BTreeSet<Saying> {
    let mut found = BTreeSet::new();
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        let groups = groups(line);
        let other = |word: &&str| ROOTS.contains(word) && *word != root;
        if groups.iter().flatten().any(other) {
            continue;
        }
        let named = |word: &str| if word == root { STARTER } else { word }.to_owned();
        let kind = groups[0][0];
        match kind {
            "allow" => {
                for source in &groups[1] {
                    for target in &groups[2] {
                        for permission in &groups[4] {
                            let words = [kind, source, target, groups[3][0], permission];
                            found.insert(words.map(named).into());
                        }
                    }
                }
            }
            "type" => {
                found.insert(saying(&[kind, groups[1][0]]));
                found.insert(saying(&["typeattribute", groups[1][0], groups[2][0]]));
            }
            "typeattribute" | "permissive" | "type_transition" => {
                let words = groups.iter().map(|group| named(group[0]));
                found.insert(words.collect());
            }
            _ => panic!("no such statement: {line}"),
        }
    }
    found
}

/// What a policy of images says: one statement a line, as it is written here.
fn of_cil(text: &str) -> BTreeSet<Saying> {
    let mut found = BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with('(')) {
        let words: Vec<_> = line
            .split(['(', ')', ' '])
            .filter(|word| !word.is_empty())
            .map(|word| if word == "init" { STARTER } else { word })
            .collect();
        match words[..] {
            ["type", name] => found.insert(saying(&["type", name])),
            ["typeattributeset", attribute, name] => {
                found.insert(saying(&["typeattribute", name, attribute]))
            }
            ["typepermissive", name] => found.insert(saying(&["permissive", name])),
            ["typetransition", source, target, class, name] => {
                found.insert(saying(&["type_transition", source, target, class, name]))
            }
            ["allow", source, target, class, ref permissions @ ..] => {
                let target = if target == "self" { source } else { target };
                found.extend(
                    permissions
                        .iter()
                        .map(|permission| saying(&["allow", source, target, class, permission])),
                );
                true
            }
            // In magiskpolicy every type has its role.
            ["roletype", ..] => true,
            _ => panic!("no such statement: {line}"),
        };
    }
    found
}

#[test]
fn rule_and_policy_say_the_same() {
    let packaging = module::repository().join("packaging");
    let rule = fs::read_to_string(packaging.join("magisk/module/sepolicy.rule")).unwrap();
    let cil = fs::read_to_string(packaging.join("android/socketd.cil")).unwrap();
    let expected = of_cil(&cil);
    assert!(expected.len() > 100, "{}", expected.len());
    for root in ROOTS {
        let found = of_rule(&rule, root);
        let differ: Vec<_> = found.symmetric_difference(&expected).collect();
        assert!(differ.is_empty(), "{root}: {differ:?}");
    }
}

#[test]
fn the_policy_compiles() {
    let folder = harness::pair::new_dir();
    let base = module::repository().join("tests/tests/phone/base.cil");
    let policy = module::repository().join("packaging/android/socketd.cil");
    let output = Command::new("secilc")
        .args(["-M", "true", "-c", "30", "-o"])
        .arg(folder.join("policy"))
        .arg("-f")
        .arg(folder.join("contexts"))
        .args([base, policy])
        .output()
        .unwrap_or_else(|_| panic!("There is no secilc: install it (apt-get install secilc)."));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && error.is_empty(), "{error}");
    assert!(fs::metadata(folder.join("policy")).unwrap().len() > 1000);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn every_label_is_a_type_of_the_policy() {
    let packaging = module::repository().join("packaging");
    let cil = fs::read_to_string(packaging.join("android/socketd.cil")).unwrap();
    let contexts = fs::read_to_string(packaging.join("android/file_contexts")).unwrap();
    let services = fs::read_to_string(packaging.join("android/socketd.rc")).unwrap();
    let script = fs::read_to_string(packaging.join("magisk/module/post-fs-data.sh")).unwrap();
    let label = |text: &str, begin: &str| -> BTreeSet<String> {
        text.split(begin)
            .skip(1)
            .filter_map(|rest| rest.split([':', ' ']).next().map(str::to_owned))
            .collect()
    };
    let files = label(&contexts, "u:object_r:");
    let mut used = files.clone();
    used.extend(label(&services, "seclabel u:r:"));
    let declared = |name: &String| cil.contains(&format!("(type {name})\n"));
    assert!(used.len() == 6 && used.iter().all(declared), "{used:?}");
    let by_script: BTreeSet<_> = label(&script, "\nlabel ");
    assert_eq!(by_script, files);
}
