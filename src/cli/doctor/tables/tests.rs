use super::*;
use crate::cli::doctor::report::Severity::{Fault, Warning};
use crate::mpos::doctor::tables::{Column, IndexPart, Table};

/// MPOS's tables and ours as they should be.
fn healthy() -> Schema {
    let table = |name: &str| Table {
        name: name.into(),
        engine: Some("InnoDB".into()),
        transactional: true,
        rows: 100,
        bytes: 1 << 20,
        next_id: Some(101),
    };
    let of_mpos = SHAPES.iter().map(|shape| Column {
        table: shape.table.into(),
        name: shape.column.into(),
        kind: shape.kinds[0].into(),
        full_type: match shape.kinds[0] {
            "enum" => "enum('y','n')".into(),
            "int" => "bigint(30)".into(),
            kind => kind.into(),
        },
        width: (shape.width > 0).then_some(shape.width),
        nullable: shape.nullable,
    });
    let of_ours = own_columns().into_iter().map(|(table, name)| Column {
        table: table.into(),
        name: name.into(),
        kind: "int".into(),
        full_type: "int".into(),
        width: None,
        nullable: false,
    });
    let indexes = INDEXED.iter().map(|(table, column, unique)| IndexPart {
        table: (*table).into(),
        index: (*column).into(),
        place: 1,
        column: (*column).into(),
        unique: *unique,
    });
    Schema {
        tables: OWN.into_iter().chain(POOL).chain([ACCOUNTS, WORKERS]).map(table).collect(),
        columns: of_mpos.chain(of_ours).collect(),
        indexes: indexes.collect(),
    }
}

fn changed(table: &str, column: &str, change: impl Fn(&mut Column)) -> Words {
    let mut schema = healthy();
    schema.columns.iter_mut().filter(|one| one.table == table && one.name == column).for_each(change);
    columns(&schema)
}

#[test]
fn tables_as_they_should_be_give_nothing_to_say() {
    let schema = healthy();
    for words in [
        own_tables(&schema, "pool"),
        mpos_tables(&schema),
        columns(&schema),
        engine(&schema, false),
        indexes(&schema),
        id_room(&schema, Some(101)),
        size(&schema, None),
        size(&schema, Some(700)),
    ] {
        assert_eq!(words, Words::new());
    }
}

#[test]
fn every_missing_table_column_and_index_is_named() {
    let all: Vec<String> = healthy().tables.iter().map(|table| table.name.clone()).collect();
    for name in all {
        let mut schema = healthy();
        schema.tables.retain(|table| table.name != name);
        let words = [own_tables(&schema, "pool"), mpos_tables(&schema)].concat();
        assert!(words.len() == 1 && words[0].severity == Fault && words[0].saw.contains(&name), "{name}: {words:?}");
    }
    for shape in &SHAPES {
        let mut schema = healthy();
        schema.columns.retain(|column| column.table != shape.table || column.name != shape.column);
        let words = columns(&schema);
        assert!(words.len() == 1 && words[0].saw.contains(&format!("{}.{}", shape.table, shape.column)), "{words:?}");
    }
    for (table, name) in own_columns() {
        let mut schema = healthy();
        schema.columns.retain(|column| column.table != table || column.name != name);
        assert!(own_tables(&schema, "pool")[0].saw.contains(name));
    }
    for place in 0..INDEXED.len() {
        let mut schema = healthy();
        schema.indexes.remove(place);
        let words = indexes(&schema);
        assert!(words.len() == 1 && words[0].severity == Warning && words[0].mend.starts_with("ALTER TABLE"));
    }
}

#[test]
fn columns_of_another_shape_are_named() {
    assert!(
        changed("shares", "reason", |column| column.width = Some(20))[0]
            .saw
            .contains("holds 20 characters, MPOS makes 50")
    );
    assert!(changed("shares", "difficulty", |column| column.kind = "int".into())[0].mend.contains("float or double"));
    assert!(
        changed("shares", "our_result", |column| column.full_type = "enum('1','0')".into())[0]
            .saw
            .contains("enum('1','0')")
    );
    assert!(changed("blocks", "share_id", |column| column.nullable = false)[0].saw.contains("may not be NULL"));
}

#[test]
fn engines_without_transactions_are_weighed() {
    let with = |name: &str| {
        let mut schema = healthy();
        for table in schema.tables.iter_mut().filter(|table| table.name == name) {
            table.engine = Some("MyISAM".into());
            table.transactional = false;
        }
        schema
    };
    for (name, allowed, severity) in [
        ("shares", false, Fault),
        ("shares", true, Warning),
        ("blocks", false, Warning),
        ("mpos_stratum_cursor", true, Fault),
    ] {
        let words = engine(&with(name), allowed);
        assert_eq!(
            (words[0].severity, words[0].mend.clone()),
            (severity, format!("ALTER TABLE {name} ENGINE=InnoDB;"))
        );
    }
}

#[test]
fn ids_that_went_back_name_the_statement_that_mends_them() {
    let known = |ids: &[u64]| -> Vec<Known> {
        let places = ["shares.id", "blocks.share_id", "setting pps_last_share_id"];
        places.into_iter().zip(ids).map(|(place, id)| Known { place, greatest: Ok(*id) }).collect()
    };
    assert_eq!(share_ids(Some(101), &known(&[100, 90, 0])), Words::new());
    let words = share_ids(Some(101), &known(&[100, 5000, 101]));
    assert_eq!(words[0].mend, "ALTER TABLE shares AUTO_INCREMENT = 5001;");
    assert!(words[0].saw.contains("blocks.share_id 5000") && !words[0].saw.contains("shares.id 100"));
    let unknown = Known { place: "blocks.share_id", greatest: Err("denied".into()) };
    assert_eq!(share_ids(Some(1), &[unknown]), Words::new());
    assert_eq!(share_ids(None, &[])[0].severity, Fault);
}

#[test]
fn room_and_size_have_their_bounds() {
    let mut schema = healthy();
    for column in schema.columns.iter_mut().filter(|column| column.table == "shares" && column.name == "id") {
        column.full_type = "int(11)".into();
    }
    for (next, severity) in [(1_000_000_000, None), (2_000_000_000, Some(Warning)), (2_147_483_647, Some(Fault))] {
        assert_eq!(id_room(&schema, Some(next)).first().map(|word| word.severity), severity, "{next}");
    }
    schema.tables.iter_mut().for_each(|table| table.rows = SHARES_MANY + 1);
    assert_eq!(size(&schema, Some(599)).len(), 2);
}
