// Package ci holds what a robot runs and a person can: setup.sh installs what is
// missing, lint checks the sources. Its test compares the imports inside the
// module with the import table of ARCHITECTURE.md. It must not hold code that
// anything else imports.
package ci
