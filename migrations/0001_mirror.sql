-- What is mirrored: one row for each definition of a collection. Its rows are in tables of their own, which the Worker makes.
CREATE TABLE mirror (
  -- <origin>/<collection>#<digest of the definition>
  name TEXT PRIMARY KEY,
  origin TEXT NOT NULL,
  collection TEXT NOT NULL,
  -- What readers see; 0 before the first.
  version INTEGER NOT NULL DEFAULT 0,
  -- The oldest version that is still whole.
  oldest INTEGER NOT NULL DEFAULT 0,
  -- When the origin was asked for what the version says, epoch ms.
  as_of INTEGER NOT NULL DEFAULT 0,
  -- How far the origin's feed was known then: what it has told of since is not in the version.
  feed_id TEXT,
  seq INTEGER NOT NULL DEFAULT 0,
  -- How many rows the version has.
  size INTEGER NOT NULL DEFAULT 0,
  -- The tools that are not answered from it, as too many of their answers were wrong: JSON, name to epoch ms.
  stopped TEXT NOT NULL DEFAULT '{}',
  -- The input schemas of the tools that are answered from it: JSON, by name.
  schemas TEXT NOT NULL DEFAULT '{}',
  -- Changes with `schemas`, so that a reader need not read them again.
  schemas_hash TEXT NOT NULL DEFAULT ''
) STRICT;
