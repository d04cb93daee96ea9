//! `kill -9` of the control plane: the engine goes on, starts again without it, and follows when it is back.

use std::path::Path;

use testkit::process::{Process, Watch, binary};

use crate::kit::on_every_database;
use crate::place::Place;
use crate::plane::Plane;

/// `control serve` on what `plane` has stored, where it listened.
fn serve(plane: &Plane, settings: &Path) -> Process {
    let stored = std::fs::read_to_string(plane.test.settings_file()).unwrap();
    let features = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/features");
    let text = format!(
        "listen = \"{}\"\nfeatures = {features:?}\n{stored}",
        plane.address()
    );
    std::fs::write(settings, text).unwrap();
    let words = ["serve", "--config", settings.to_str().unwrap()];
    let mut process = Process::start(binary("control"), words, Watch::Stdout);
    process.line_where(|line| line.contains("listening on"));
    process
}

#[test]
fn a_control_plane_that_is_killed_stops_nothing() {
    on_every_database(|database| async {
        let mut plane = Plane::start(database).await;
        let place = Place::new(&plane);
        let settings = place.path("control.toml");
        let (first, proposal) = plane.proposed(1, None).await;
        plane.deploy(&proposal).await;
        plane.close().await;
        let mut control = serve(&plane, &settings);
        let mut engine = place.start(&plane.url(), 0).await;
        engine.assert_signals(1).await;

        control.kill();
        for _ in 0..5 {
            engine.assert_signals(1).await;
        }
        // Without it, from what is cached: the next bar is decided as if nothing had happened.
        let from = engine.stop().await;
        let mut engine = place.start(&plane.url(), from).await;
        engine.assert_signals(1).await;

        // Voted on while nobody served; found when somebody does again.
        let (_, proposal) = plane.proposed(2, Some(&first.model_id)).await;
        assert_eq!(plane.deploy(&proposal).await, 2);
        engine.assert_signals(1).await;
        let _control = serve(&plane, &settings);
        engine.swapped(2).await;
        engine.assert_signals(2).await;
        engine.stop().await;
    });
}
