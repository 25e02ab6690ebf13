"""The store: tables, migrations, and one method per transaction."""
