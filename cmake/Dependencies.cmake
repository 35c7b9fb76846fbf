# What the libraries and the program need; the tests find their own in tests/.
find_package(Threads REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(TBB 2021 REQUIRED)
find_package(OpenBLAS 0.3 REQUIRED)
find_package(xxHash 0.8 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
