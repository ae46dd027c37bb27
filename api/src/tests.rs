//! The contract: every route is in the document, and the copy of it in docs/ is up to date.

use std::collections::BTreeSet;

use crate::openapi::contract;

const COPY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

#[test]
fn the_routes_of_the_openapi_document_are_those_that_are_served() {
    let routes = admin_api::table().into_iter().chain(crate::me::table()).chain(crate::openapi::table());
    let routes = routes.filter(|(_, path, _)| path.starts_with("/api/"));
    let served: BTreeSet<_> = routes.map(|(method, path, _)| (method.to_string(), path.to_owned())).collect();
    let document = serde_json::to_value(contract()).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let documented: BTreeSet<_> = paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(served, documented);
}

#[test]
fn every_operation_of_the_openapi_document_has_a_name_of_its_own() {
    let document = serde_json::to_value(contract()).unwrap();
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|methods| methods.as_object().unwrap().values());
    let names: Vec<_> = operations.map(|it| it["operationId"].as_str().unwrap().to_owned()).collect();
    let distinct: BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "set `operation_id`: {names:?}");
}

/// `OPENAPI=new` writes it anew.
#[test]
fn the_openapi_document_in_docs_is_up_to_date() {
    let text = contract().to_pretty_json().unwrap() + "\n";
    if std::env::var("OPENAPI").is_ok_and(|value| value == "new") {
        std::fs::write(COPY, &text).unwrap();
    }
    let copy = std::fs::read_to_string(COPY).unwrap_or_default();
    assert!(copy == text, "docs/openapi.json is not up to date: OPENAPI=new cargo test -p api openapi");
}
