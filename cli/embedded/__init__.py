"""What other meshes rent: PostgreSQL, Valkey, and somebody who watches over processes."""
