// Package store keeps everything in one database: PostgreSQL in production, SQLite embedded.
//
// The SQL is one text for both engines; the few words in which they differ are in dialect.go. It stands beside
// the function that runs it, and the suite in storetest runs every function on both.
//
// On SQLite there is one writer connection, because there is one writer anyway, and a pool of readers. A
// transaction must therefore use only its own [Tx]: asking the writer pool for more inside of it would wait for
// itself.
package store
