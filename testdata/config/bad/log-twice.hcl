# want: log is declared twice
log {}
log {}
