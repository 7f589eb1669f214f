use super::*;
use crate::{catalog::contract, delta::DeltaFormat};

fn catalog(root: &Path) -> DirectoryCatalog {
    DirectoryCatalog::open("lake", root, Arc::new(DeltaFormat::default())).unwrap()
}

fn table_at(root: &Path, path: &str) {
    fs::create_dir_all(root.join(path).join("_delta_log")).unwrap();
}

async fn names(catalog: &DirectoryCatalog, schema: &str) -> Vec<String> {
    catalog.tables(schema).await.unwrap().into_iter().map(|table| table.name).collect()
}

#[tokio::test]
async fn keeps_the_catalogs_contract() {
    let root = tempfile::tempdir().unwrap();
    contract::check(&catalog(root.path())).await;
}

#[tokio::test]
async fn only_directories_that_can_be_addressed_are_listed() {
    let root = tempfile::tempdir().unwrap();
    for path in ["orders", "sales/a", "main/hidden", ".git/x", "public/b", "public/orders", "sales/A"] {
        table_at(root.path(), path);
    }
    fs::create_dir(root.path().join("empty")).unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    let catalog = catalog(root.path());
    assert_eq!(catalog.schemas().await.unwrap(), ["empty", "public", "sales"]);
    assert_eq!(names(&catalog, "public").await, ["b", "orders"], "the root's and those of a directory public");
    assert_eq!(names(&catalog, "sales").await, ["A"], "a twin in case is left out");
    assert_eq!(names(&catalog, "empty").await, [""; 0]);
    assert!(catalog.table("public", "b").await.is_ok());
}

#[tokio::test]
async fn an_interrupted_drop_is_finished_at_the_next_start() {
    let root = tempfile::tempdir().unwrap();
    table_at(root.path(), ".deltaport-dropped-1");
    table_at(root.path(), "kept");
    catalog(root.path());
    assert!(!root.path().join(".deltaport-dropped-1").exists() && root.path().join("kept").exists());
}

#[test]
fn what_is_no_directory_is_no_catalog() {
    let root = tempfile::tempdir().unwrap();
    let format = Arc::new(DeltaFormat::default());
    let error = DirectoryCatalog::open("lake", &root.path().join("none"), format.clone()).unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
    let error = DirectoryCatalog::open("", root.path(), format).unwrap_err();
    assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
}
