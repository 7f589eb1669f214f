
lakedeltamerge