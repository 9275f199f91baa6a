// Package machine reads the facts about this machine that decide its speed, and
// nothing that names the machine or its user. It must not know what is measured.
package machine
