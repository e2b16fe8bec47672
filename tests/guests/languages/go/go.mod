module tongue

go 1.24
