# want: the configuration is empty

/* nothing here */
