//! What is kept of containers has a bound, all of them together.

use wire::Container;

use super::*;
use crate::limits::SPECS_BYTES_MAX;

#[test]
fn specs_have_a_bound_together() {
    let (place, fake) = (Place::new(), Arc::new(Fake::default()));
    let supervisor = place.begin(&fake);
    let inventory = supervisor.inventory();
    let id = ContainerId([3; 32]);
    let mut spec = Spec {
        image: "x".repeat(SPECS_BYTES_MAX / 2),
        ..Spec::default()
    };
    let kept = |spec: &Spec| {
        let container = Container {
            id,
            name: "long".to_owned(),
            spec: spec.clone(),
            ..Container::default()
        };
        inventory.insert(container, false, Also::default());
    };
    kept(&spec);
    plain(&supervisor, "beside");
    // Put again under the same id it takes the place of the first, and counts once.
    kept(&spec);
    plain(&supervisor, "again");
    spec.image = "x".repeat(SPECS_BYTES_MAX);
    kept(&spec);
    let refused = supervisor.create(Create {
        name: "much".to_owned(),
        image_id: IMAGE,
        ..Create::default()
    });
    assert_eq!(refused.expect_err("no room").code, RefusalCode::TooMany);
    inventory.remove(&id);
    plain(&supervisor, "room");
}
