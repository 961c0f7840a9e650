# want: store "file" is declared twice
store "file" {}
store "file" {}
